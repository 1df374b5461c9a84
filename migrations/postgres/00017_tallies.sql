-- What the console counts and looks up, so that no page has to read all findings, notices or entries of the trail.

-- +goose Up

-- Open findings by app. Triggers on listed keep it.
ALTER TABLE listed ADD COLUMN unsettled BOOLEAN GENERATED ALWAYS AS (status IN ('open', 'acknowledged', 'in-remediation')) STORED;
DROP INDEX listed_app;
CREATE INDEX listed_app ON listed (app_key, unsettled, accounts);
DROP INDEX listed_status;
CREATE INDEX listed_status ON listed (status, check_id, rank);
CREATE INDEX listed_assignee ON listed (assignee, status);

CREATE TABLE tallies (
  app_key  TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
  critical BIGINT NOT NULL,
  high     BIGINT NOT NULL,
  medium   BIGINT NOT NULL,
  low      BIGINT NOT NULL,
  accounts BIGINT NOT NULL                           -- the most that an open finding holds
);
CREATE INDEX tallies_risk ON tallies (critical DESC, high DESC, medium DESC, low DESC, accounts DESC, app_key);

-- A finding may get another id, where its subject named an account that was forgotten.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION findings_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM listed WHERE app_key = OLD.app_key AND id = OLD.id;
    DELETE FROM looks WHERE app_key = OLD.app_key AND finding_id = OLD.id;
  ELSE
    IF TG_OP = 'UPDATE' AND NEW.id <> OLD.id THEN
      DELETE FROM listed WHERE app_key = OLD.app_key AND id = OLD.id;
    END IF;
    PERFORM list_again(NEW.app_key, NEW.id);
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd

-- Rows that such a change left behind before.
DELETE FROM listed l WHERE NOT EXISTS (SELECT 1 FROM findings f WHERE f.app_key = l.app_key AND f.id = l.id);

INSERT INTO tallies (app_key, critical, high, medium, low, accounts)
  SELECT app_key, count(*) FILTER (WHERE rank = 0), count(*) FILTER (WHERE rank = 1), count(*) FILTER (WHERE rank = 2), count(*) FILTER (WHERE rank = 3), max(accounts)
  FROM listed WHERE unsettled GROUP BY app_key;

-- The counts come first: they lock the app's row, so that the statement after them sees what others, who had it locked, have changed.
-- +goose StatementBegin
CREATE FUNCTION tally(app text, before integer, after integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tallies AS t (app_key, critical, high, medium, low, accounts) VALUES (app,
      (after = 0)::int - (before = 0)::int, (after = 1)::int - (before = 1)::int, (after = 2)::int - (before = 2)::int, (after = 3)::int - (before = 3)::int, 0)
    ON CONFLICT (app_key) DO UPDATE SET critical = t.critical + excluded.critical, high = t.high + excluded.high, medium = t.medium + excluded.medium, low = t.low + excluded.low;
  UPDATE tallies t SET accounts = n.most
    FROM (SELECT coalesce((SELECT max(l.accounts) FROM listed l WHERE l.app_key = app AND l.unsettled), 0) AS most) n WHERE t.app_key = app AND t.accounts <> n.most;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION listed_tallied() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before integer := -1; -- rank of what is open; -1: nothing is
  after  integer := -1;
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.status IN ('open', 'acknowledged', 'in-remediation') THEN before := OLD.rank; END IF;
  IF TG_OP <> 'DELETE' AND NEW.status IN ('open', 'acknowledged', 'in-remediation') THEN after := NEW.rank; END IF;
  IF before >= 0 OR after >= 0 THEN
    PERFORM tally(CASE TG_OP WHEN 'DELETE' THEN OLD.app_key ELSE NEW.app_key END, before, after);
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER listed_tallied AFTER INSERT OR DELETE ON listed FOR EACH ROW EXECUTE FUNCTION listed_tallied();
CREATE TRIGGER listed_turned AFTER UPDATE ON listed FOR EACH ROW
  WHEN (ROW (NEW.status, NEW.rank, NEW.accounts) IS DISTINCT FROM ROW (OLD.status, OLD.rank, OLD.accounts)) EXECUTE FUNCTION listed_tallied();

-- Which findings a notice tells of. Triggers keep it.
CREATE TABLE told (
  vendor     TEXT COLLATE "C" NOT NULL,
  notice     TEXT COLLATE "C" NOT NULL,
  app_key    TEXT COLLATE "C" NOT NULL,
  finding_id TEXT COLLATE "C" NOT NULL,
  kind       TEXT COLLATE "C" NOT NULL,                          -- of the notice
  PRIMARY KEY (vendor, notice, app_key, finding_id)
);
CREATE INDEX told_finding ON told (app_key, finding_id, notice, kind);
CREATE INDEX told_notice ON told (notice);

-- Of two findings that became one, a notice tells once. Keys of apps are as every column has them: without NUL, and so with ESC as its own escape.
CREATE VIEW notices_tell AS
  SELECT DISTINCT n.vendor, n.id AS notice, a.value ->> 'app' AS app_key, a.value ->> 'finding' AS finding_id, n.body ->> 'kind' AS kind
  FROM (SELECT vendor, id, replace(replace(replace(replace(body, '\\', chr(1)), '\u001b', '\u001b1b'), '\u0000', '\u001b00'), chr(1), '\\')::json AS body FROM notices) n,
    json_array_elements(CASE json_typeof(n.body -> 'about') WHEN 'array' THEN n.body -> 'about' ELSE '[]' END) a;

INSERT INTO told SELECT vendor, notice, app_key, finding_id, kind FROM notices_tell;

-- +goose StatementBegin
CREATE FUNCTION notices_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM told WHERE vendor = OLD.vendor AND notice = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO told SELECT vendor, notice, app_key, finding_id, kind FROM notices_tell WHERE vendor = NEW.vendor AND notice = NEW.id;
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER notices_told AFTER INSERT OR UPDATE OR DELETE ON notices FOR EACH ROW EXECUTE FUNCTION notices_told();

-- What lists of notices show, so that they need not be read themselves.
ALTER TABLE notices ADD COLUMN name TEXT GENERATED ALWAYS AS (replace(replace(replace(replace(body, '\\', chr(1)), '\u001b', '\u001b1b'), '\u0000', '\u001b00'), chr(1), '\\')::json ->> 'vendor_name') STORED;
CREATE INDEX notices_listed ON notices (created DESC, id);

ALTER TABLE matters
  ADD COLUMN notice TEXT GENERATED ALWAYS AS (replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'notice') STORED,
  ADD COLUMN second TEXT GENERATED ALWAYS AS (coalesce(replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'second', '')) STORED,
  ADD COLUMN due BIGINT GENERATED ALWAYS AS ((replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'due')::bigint) STORED,
  -- Whether it waits for a person, as audit.Matter.Asks says.
  ADD COLUMN asks BOOLEAN GENERATED ALWAYS AS ((replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'disputed_at')::bigint <> 9223372036854775807 OR (replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'extension_asked')::boolean
    OR coalesce((replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'unanswered')::boolean, false) AND (replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'stopped_at')::bigint = 9223372036854775807 AND replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'answer' <> 'verified'
    OR (replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'overdue')::boolean AND NOT (replace(replace(replace(body, '\\', chr(1)), '\u0000', ''), chr(1), '\\')::json ->> 'recommended')::boolean) STORED;

-- The trail by who and by what, the newest first.
CREATE INDEX trail_who ON trail (who, seq);
CREATE INDEX trail_what ON trail (what, seq);
