-- Who is logged in to the console, and what they have looked at.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE sessions (
  digest  TEXT    COLLATE "C" NOT NULL PRIMARY KEY,              -- SHA-256 of the token that only the browser has, hexadecimal
  issuer  TEXT    COLLATE "C" NOT NULL,                          -- who vouched for the person; empty: the link that was printed at the start
  who     TEXT    COLLATE "C" NOT NULL,                          -- as in the trail
  name    TEXT    COLLATE "C" NOT NULL,
  role    TEXT    COLLATE "C" NOT NULL,
  created BIGINT  NOT NULL,
  expires BIGINT  NOT NULL
);
CREATE INDEX sessions_who ON sessions (who);

-- What a person saw of a finding at the last visit, and at the one before.
CREATE TABLE looks (
  app_key    TEXT COLLATE "C" NOT NULL,
  finding_id TEXT COLLATE "C" NOT NULL,
  who        TEXT COLLATE "C" NOT NULL,
  body       TEXT NOT NULL,                          -- JSON
  PRIMARY KEY (app_key, finding_id, who)
);

-- What the console lists findings by. A finding is wide, with its evidence; to sort, filter and count 100,000 of them takes little beside them. Triggers keep
-- it, whoever writes findings.
CREATE TABLE listed (
  app_key     TEXT     COLLATE "C" NOT NULL,
  id          TEXT     COLLATE "C" NOT NULL,
  rank        SMALLINT NOT NULL,                     -- of its severity, 0 the worst
  status      TEXT     COLLATE "C" NOT NULL,
  check_id    TEXT     COLLATE "C" NOT NULL,
  assignee    TEXT     COLLATE "C" NOT NULL,
  first_run   TEXT     COLLATE "C" NOT NULL,
  last_run    TEXT     COLLATE "C" NOT NULL,
  first_seen  BIGINT   NOT NULL,
  last_seen   BIGINT   NOT NULL,
  occurrences BIGINT   NOT NULL,
  accounts    BIGINT   NOT NULL,
  due_at      BIGINT   NOT NULL,
  words       TSVECTOR NOT NULL,
  PRIMARY KEY (app_key, id)
);
CREATE INDEX listed_rank ON listed (rank, last_seen DESC, id);
CREATE INDEX listed_status ON listed (status);
CREATE INDEX listed_id ON listed (id);
CREATE INDEX listed_app ON listed (app_key, status, rank, accounts);
CREATE INDEX listed_first_run ON listed (first_run);
CREATE INDEX listed_last_run ON listed (last_run);
CREATE INDEX listed_last_seen ON listed (last_seen DESC, id);
CREATE INDEX listed_first_seen ON listed (first_seen DESC, id);
CREATE INDEX listed_accounts ON listed (accounts DESC, id);
CREATE INDEX listed_occurrences ON listed (occurrences DESC, id);
CREATE INDEX listed_due_at ON listed (due_at, id);
CREATE INDEX apps_vendor_name ON apps (lower(vendor_name));
CREATE INDEX apps_vendor_id ON apps (lower(vendor_id));
CREATE INDEX listed_words ON listed USING gin (words);

-- Words are what punctuation of ASCII parts, in lower case as far as the database's locale goes.
CREATE VIEW finding_listed AS
  SELECT f.app_key, f.id, CASE f.severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END AS rank, f.status, f.check_id, f.assignee,
    f.first_run, f.last_run, f.first_seen, f.last_seen, f.occurrences, f.accounts, f.due_at,
    array_to_tsvector(ARRAY(SELECT DISTINCT left(w, 100) FROM unnest(string_to_array(translate(lower(left(concat_ws(' ', f.id, f.app_key, f.check_id, f.subject, f.title,
      f.explanation, f.assignee, a.name, a.vendor_name, a.vendor_id), 10000) COLLATE "default"), E'\t\n\r!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~–—‘’“”…·', repeat(' ', 43)), ' ')) w WHERE w <> '')) AS words
  FROM findings f LEFT JOIN apps a ON a.app_key = f.app_key;

CREATE FUNCTION list_again(app text, finding text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO listed SELECT * FROM finding_listed v WHERE v.app_key = app AND (finding IS NULL OR v.id = finding)
  ON CONFLICT (app_key, id) DO UPDATE SET rank = excluded.rank, status = excluded.status, assignee = excluded.assignee, last_run = excluded.last_run,
    first_seen = excluded.first_seen, last_seen = excluded.last_seen, occurrences = excluded.occurrences, accounts = excluded.accounts, due_at = excluded.due_at,
    words = excluded.words
$$;

CREATE FUNCTION findings_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM listed WHERE app_key = OLD.app_key AND id = OLD.id;
    DELETE FROM looks WHERE app_key = OLD.app_key AND finding_id = OLD.id;
  ELSE
    PERFORM list_again(NEW.app_key, NEW.id);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER findings_listed AFTER INSERT OR UPDATE OR DELETE ON findings FOR EACH ROW EXECUTE FUNCTION findings_listed();

CREATE FUNCTION apps_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM list_again(NEW.app_key, NULL);
  RETURN NULL;
END
$$;
CREATE TRIGGER apps_named AFTER INSERT ON apps FOR EACH ROW EXECUTE FUNCTION apps_listed();
CREATE TRIGGER apps_renamed AFTER UPDATE ON apps FOR EACH ROW
  WHEN (ROW (NEW.name, NEW.vendor_name, NEW.vendor_id) IS DISTINCT FROM ROW (OLD.name, OLD.vendor_name, OLD.vendor_id)) EXECUTE FUNCTION apps_listed();

INSERT INTO listed SELECT * FROM finding_listed;
-- +goose StatementEnd
