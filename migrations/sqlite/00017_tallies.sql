-- What the console counts and looks up, so that no page has to read all findings, notices or entries of the trail.

-- +goose Up

-- Open findings by app. Triggers on listed keep it.
ALTER TABLE listed ADD COLUMN unsettled INTEGER GENERATED ALWAYS AS (status IN ('open', 'acknowledged', 'in-remediation')) VIRTUAL;
DROP INDEX listed_app;
CREATE INDEX listed_app ON listed (app_key, unsettled, accounts);
CREATE INDEX listed_status ON listed (status, check_id, rank);
CREATE INDEX listed_assignee ON listed (assignee, status);

CREATE TABLE tallies (
  app_key  TEXT    NOT NULL PRIMARY KEY,
  critical INTEGER NOT NULL,
  high     INTEGER NOT NULL,
  medium   INTEGER NOT NULL,
  low      INTEGER NOT NULL,
  accounts INTEGER NOT NULL                          -- the most that an open finding holds
) STRICT, WITHOUT ROWID;
CREATE INDEX tallies_risk ON tallies (critical DESC, high DESC, medium DESC, low DESC, accounts DESC, app_key);

INSERT INTO tallies (app_key, critical, high, medium, low, accounts)
  SELECT app_key, sum(rank = 0), sum(rank = 1), sum(rank = 2), sum(rank = 3), max(accounts) FROM listed WHERE unsettled GROUP BY app_key;

-- +goose StatementBegin
CREATE TRIGGER listed_added AFTER INSERT ON listed
WHEN NEW.status IN ('open', 'acknowledged', 'in-remediation')
BEGIN
  INSERT INTO tallies (app_key, critical, high, medium, low, accounts) VALUES (NEW.app_key, NEW.rank = 0, NEW.rank = 1, NEW.rank = 2, NEW.rank = 3, NEW.accounts)
    ON CONFLICT (app_key) DO UPDATE SET critical = critical + excluded.critical, high = high + excluded.high, medium = medium + excluded.medium, low = low + excluded.low,
      accounts = max(accounts, excluded.accounts);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER listed_gone AFTER DELETE ON listed
WHEN OLD.status IN ('open', 'acknowledged', 'in-remediation')
BEGIN
  UPDATE tallies SET critical = critical - (OLD.rank = 0), high = high - (OLD.rank = 1), medium = medium - (OLD.rank = 2), low = low - (OLD.rank = 3),
    accounts = coalesce((SELECT max(l.accounts) FROM listed l WHERE l.app_key = OLD.app_key AND l.unsettled = 1), 0)
    WHERE app_key = OLD.app_key;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER listed_turned AFTER UPDATE ON listed
WHEN (NEW.status <> OLD.status OR NEW.rank <> OLD.rank OR NEW.accounts <> OLD.accounts)
  AND (NEW.status IN ('open', 'acknowledged', 'in-remediation') OR OLD.status IN ('open', 'acknowledged', 'in-remediation'))
BEGIN
  INSERT INTO tallies (app_key, critical, high, medium, low, accounts) VALUES (NEW.app_key,
      (NEW.rank = 0 AND NEW.status IN ('open', 'acknowledged', 'in-remediation')) - (OLD.rank = 0 AND OLD.status IN ('open', 'acknowledged', 'in-remediation')),
      (NEW.rank = 1 AND NEW.status IN ('open', 'acknowledged', 'in-remediation')) - (OLD.rank = 1 AND OLD.status IN ('open', 'acknowledged', 'in-remediation')),
      (NEW.rank = 2 AND NEW.status IN ('open', 'acknowledged', 'in-remediation')) - (OLD.rank = 2 AND OLD.status IN ('open', 'acknowledged', 'in-remediation')),
      (NEW.rank = 3 AND NEW.status IN ('open', 'acknowledged', 'in-remediation')) - (OLD.rank = 3 AND OLD.status IN ('open', 'acknowledged', 'in-remediation')),
      coalesce((SELECT max(l.accounts) FROM listed l WHERE l.app_key = NEW.app_key AND l.unsettled = 1), 0))
    ON CONFLICT (app_key) DO UPDATE SET critical = critical + excluded.critical, high = high + excluded.high, medium = medium + excluded.medium, low = low + excluded.low,
      accounts = excluded.accounts;
END;
-- +goose StatementEnd

-- A finding may get another id, where its subject named an account that was forgotten.
DROP TRIGGER findings_changed;
-- +goose StatementBegin
CREATE TRIGGER findings_changed AFTER UPDATE ON findings
BEGIN
  UPDATE listed SET id = NEW.id, rank = CASE NEW.severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, status = NEW.status, assignee = NEW.assignee,
    last_run = NEW.last_run, first_seen = NEW.first_seen, last_seen = NEW.last_seen, occurrences = NEW.occurrences, accounts = NEW.accounts, due_at = NEW.due_at
    WHERE app_key = OLD.app_key AND id = OLD.id;
END;
-- +goose StatementEnd

-- Rows that such a change left behind before, or out.
DELETE FROM listed WHERE NOT EXISTS (SELECT 1 FROM findings f WHERE f.app_key = listed.app_key AND f.id = listed.id);
INSERT INTO listed (app_key, id, rank, status, check_id, assignee, first_run, last_run, first_seen, last_seen, occurrences, accounts, due_at)
  SELECT app_key, id, CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, status, check_id, assignee, first_run, last_run,
    first_seen, last_seen, occurrences, accounts, due_at FROM findings f WHERE NOT EXISTS (SELECT 1 FROM listed l WHERE l.app_key = f.app_key AND l.id = f.id);
DELETE FROM listed_words WHERE rowid NOT IN (SELECT n FROM listed);
INSERT INTO listed_words (rowid, words) SELECT l.n, w.words FROM listed l JOIN finding_words w ON w.app_key = l.app_key AND w.id = l.id
  WHERE l.n NOT IN (SELECT rowid FROM listed_words);

-- Which findings a notice tells of. Triggers keep it.
CREATE TABLE told (
  vendor     TEXT NOT NULL,
  notice     TEXT NOT NULL,
  app_key    TEXT NOT NULL,
  finding_id TEXT NOT NULL,
  kind       TEXT NOT NULL,                          -- of the notice
  PRIMARY KEY (vendor, notice, app_key, finding_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_finding ON told (app_key, finding_id, notice, kind);
CREATE INDEX told_notice ON told (notice);

-- Of two findings that became one, a notice tells once. Keys of apps are as every column has them: without NUL, and so with ESC as its own escape.
CREATE VIEW notices_tell AS
  SELECT DISTINCT n.vendor, n.id AS notice, json_extract(a.value, '$.app') AS app_key, json_extract(a.value, '$.finding') AS finding_id, json_extract(n.body, '$.kind') AS kind
  FROM notices n, json_each(replace(replace(replace(replace(n.body, '\\', char(1)), '\u001b', '\u001b1b'), '\u0000', '\u001b00'), char(1), '\\'), '$.about') a
  WHERE json_extract(a.value, '$.app') IS NOT NULL; -- about nothing: JSON's null is an element

INSERT INTO told SELECT vendor, notice, app_key, finding_id, kind FROM notices_tell;

-- +goose StatementBegin
CREATE TRIGGER notices_drafted AFTER INSERT ON notices
BEGIN
  INSERT INTO told SELECT vendor, notice, app_key, finding_id, kind FROM notices_tell WHERE vendor = NEW.vendor AND notice = NEW.id;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER notices_changed AFTER UPDATE ON notices
WHEN NEW.body <> OLD.body
BEGIN
  DELETE FROM told WHERE vendor = OLD.vendor AND notice = OLD.id;
  INSERT INTO told SELECT vendor, notice, app_key, finding_id, kind FROM notices_tell WHERE vendor = NEW.vendor AND notice = NEW.id;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER notices_gone AFTER DELETE ON notices
BEGIN
  DELETE FROM told WHERE vendor = OLD.vendor AND notice = OLD.id;
END;
-- +goose StatementEnd

-- What lists of notices show, so that they need not be read themselves.
ALTER TABLE notices ADD COLUMN name TEXT GENERATED ALWAYS AS (json_extract(replace(replace(replace(replace(body, '\\', char(1)), '\u001b', '\u001b1b'), '\u0000', '\u001b00'), char(1), '\\'), '$.vendor_name')) VIRTUAL;
CREATE INDEX notices_listed ON notices (created DESC, id, vendor, delivery, name);

ALTER TABLE matters ADD COLUMN notice TEXT GENERATED ALWAYS AS (json_extract(body, '$.notice')) VIRTUAL;
ALTER TABLE matters ADD COLUMN second TEXT GENERATED ALWAYS AS (coalesce(json_extract(body, '$.second'), '')) VIRTUAL;
ALTER TABLE matters ADD COLUMN due INTEGER GENERATED ALWAYS AS (json_extract(body, '$.due')) VIRTUAL;
-- Whether it waits for a person, as audit.Matter.Asks says.
ALTER TABLE matters ADD COLUMN asks INTEGER GENERATED ALWAYS AS (json_extract(body, '$.disputed_at') <> 9223372036854775807 OR json_extract(body, '$.extension_asked')
  OR coalesce(json_extract(body, '$.unanswered'), 0) AND json_extract(body, '$.stopped_at') = 9223372036854775807 AND json_extract(body, '$.answer') <> 'verified'
  OR json_extract(body, '$.overdue') AND NOT json_extract(body, '$.recommended')) VIRTUAL;
DROP INDEX matters_closed_at;
CREATE INDEX matters_closed_at ON matters (closed_at, app_key, finding_id, notice, second, due, asks);

-- The trail by who and by what, the newest first.
CREATE INDEX trail_who ON trail (who, seq);
CREATE INDEX trail_what ON trail (what, seq);
