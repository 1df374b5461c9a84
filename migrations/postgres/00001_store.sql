-- The store. Instants are nanoseconds since the Unix epoch; the least and the greatest stand for "ever" and "never". Days are counted from
-- 1970-01-01. Large tables lead with app_key. Text from outside is escaped where a database could not hold it.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE meta (
  name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE runs (
  seq          BIGINT  NOT NULL PRIMARY KEY,
  id           TEXT    COLLATE "C" NOT NULL UNIQUE,
  as_of        BIGINT  NOT NULL,
  scheduled_at BIGINT,                              -- NULL: run by hand
  started_at   BIGINT  NOT NULL,
  finished_at  BIGINT  NOT NULL,
  status       TEXT    NOT NULL CHECK (status IN ('running', 'finished', 'failed')),
  error        TEXT    NOT NULL,
  baseline     BOOLEAN NOT NULL,
  started_by   TEXT    NOT NULL,
  summary      TEXT    NOT NULL                     -- JSON
);
CREATE UNIQUE INDEX runs_scheduled_at ON runs (scheduled_at) WHERE status <> 'failed';

CREATE TABLE rules (
  run     BIGINT  NOT NULL PRIMARY KEY,
  from_at BIGINT  NOT NULL,
  policy  TEXT    NOT NULL,                         -- digest
  rules   TEXT    NOT NULL                          -- JSON, the whole policy
);

CREATE TABLE files (
  id     BIGINT  NOT NULL PRIMARY KEY,
  kind   TEXT    COLLATE "C" NOT NULL,
  path   TEXT    COLLATE "C" NOT NULL,
  state  BYTEA   NOT NULL,                          -- the reader's own; empty: read it again
  broken BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX files_path ON files (kind, md5(path)); -- a path may be too long for an index

CREATE TABLE newest (
  kind   TEXT    COLLATE "C" NOT NULL,
  path   TEXT    COLLATE "C" NOT NULL,              -- the source's pattern
  at     BIGINT  NOT NULL,
  future TEXT    NOT NULL,                          -- JSON, instants
  PRIMARY KEY (kind, path)
);

CREATE TABLE incidents (
  api     TEXT    COLLATE "C" NOT NULL,
  from_at BIGINT  NOT NULL,
  to_at   BIGINT  NOT NULL,
  file_id BIGINT  NOT NULL,
  line    BIGINT  NOT NULL,
  run     BIGINT  NOT NULL
);

CREATE TABLE apps (
  app_key     TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
  name        TEXT,                                 -- of the newest registry entry, as are the next three; NULL: there was none
  vendor_id   TEXT,
  vendor_name TEXT,
  listed      BOOLEAN,
  entry       TEXT,                          -- digest of the registry line that it was last read from
  blind       BOOLEAN NOT NULL,
  states_at   BIGINT  NOT NULL,
  approvals   TEXT,                                 -- JSON
  answers     BYTEA
);

CREATE TABLE app_versions (
  app_key TEXT    COLLATE "C" NOT NULL,
  from_at BIGINT  NOT NULL,
  run     BIGINT  NOT NULL,
  app     TEXT,                                     -- JSON; NULL: no longer listed
  file_id BIGINT  NOT NULL,
  line    BIGINT  NOT NULL,
  PRIMARY KEY (app_key, from_at, run)
);

CREATE TABLE lifecycle (
  app_key TEXT    COLLATE "C" NOT NULL,
  site    TEXT    COLLATE "C" NOT NULL,
  at      BIGINT  NOT NULL,
  event   SMALLINT NOT NULL,
  users   BIGINT  NOT NULL,                         -- -1: not told
  file_id BIGINT  NOT NULL,
  line    BIGINT  NOT NULL,
  run     BIGINT  NOT NULL,
  PRIMARY KEY (app_key, site, at, event, users)
);

CREATE TABLE headers (
  app_key                TEXT    COLLATE "C" NOT NULL,
  day                    INTEGER NOT NULL,
  first_retrieval        BIGINT  NOT NULL,
  last_retrieval         BIGINT  NOT NULL,
  last_report            BIGINT  NOT NULL,
  held                   BOOLEAN NOT NULL,
  retrieval_after_report BIGINT  NOT NULL,
  newest                 BIGINT  NOT NULL,
  PRIMARY KEY (app_key, day)
);
CREATE INDEX headers_day ON headers (day);

CREATE TABLE packs (
  app_key  TEXT    COLLATE "C" NOT NULL,
  kind     SMALLINT NOT NULL,                      -- 1 calls, 2 reports
  day      INTEGER NOT NULL,
  segment  TEXT    COLLATE "C" NOT NULL,
  place    BIGINT  NOT NULL,                        -- in the segment, bytes
  length   BIGINT  NOT NULL,
  records  BIGINT  NOT NULL,
  first_at BIGINT  NOT NULL,
  last_at  BIGINT  NOT NULL,
  run      BIGINT  NOT NULL,
  PRIMARY KEY (app_key, kind, day, segment, place)
);
CREATE INDEX packs_segment ON packs (segment);
CREATE INDEX packs_last_at ON packs (last_at);
CREATE INDEX packs_day ON packs (day);

CREATE TABLE due (
  id      BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app_key TEXT    COLLATE "C" NOT NULL,
  day     INTEGER NOT NULL,
  checks  TEXT    NOT NULL,                         -- ids, by comma
  since   BIGINT  NOT NULL
);

CREATE TABLE contributions (
  app_key     TEXT    COLLATE "C" NOT NULL,
  check_id    TEXT    COLLATE "C" NOT NULL,
  finding_id  TEXT    COLLATE "C" NOT NULL,
  day         INTEGER NOT NULL,
  subject     TEXT    NOT NULL,
  occurrences BIGINT  NOT NULL,
  ids         BYTEA   NOT NULL,                     -- what identifies each occurrence
  first_at    BIGINT  NOT NULL,
  last_at     BIGINT  NOT NULL,
  accounts    BYTEA   NOT NULL,                     -- a set of ids
  sites       BYTEA   NOT NULL,                     -- a set of ids
  evidence    TEXT    NOT NULL,                     -- JSON
  run         BIGINT  NOT NULL,
  PRIMARY KEY (app_key, check_id, finding_id, day)
);

CREATE TABLE findings (
  id                 TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
  app_key            TEXT    COLLATE "C" NOT NULL,
  check_id           TEXT    COLLATE "C" NOT NULL,
  subject            TEXT    COLLATE "C" NOT NULL,
  clause             TEXT    NOT NULL,
  severity           TEXT    NOT NULL,
  confidence         TEXT    NOT NULL,
  status             TEXT    NOT NULL,
  reason             TEXT    NOT NULL,
  title              TEXT    NOT NULL,
  explanation        TEXT    NOT NULL,
  remediation        TEXT    NOT NULL,
  first_seen         BIGINT  NOT NULL,
  last_seen          BIGINT  NOT NULL,
  first_run          TEXT    NOT NULL,
  last_run           TEXT    NOT NULL,
  occurrences        BIGINT  NOT NULL,
  accounts           BIGINT  NOT NULL,
  sites              BIGINT  NOT NULL,
  latest_run         TEXT    NOT NULL,
  latest_occurrences BIGINT  NOT NULL,
  latest_accounts    BIGINT  NOT NULL,
  worsened           BOOLEAN NOT NULL,
  assignee           TEXT    NOT NULL,
  recommendation     TEXT,                          -- JSON
  notified_at        BIGINT  NOT NULL,
  due_at             BIGINT  NOT NULL,
  policy             TEXT    NOT NULL,              -- digest
  registry           BIGINT  NOT NULL,
  evidence           TEXT    NOT NULL,              -- JSON
  version            BIGINT  NOT NULL               -- counts changes, so that nobody overwrites what another changed meanwhile
);
CREATE INDEX findings_app ON findings (app_key);

CREATE TABLE acts (
  id         BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  finding_id TEXT    COLLATE "C" NOT NULL,
  kind       TEXT    COLLATE "C" NOT NULL,
  site       TEXT    COLLATE "C" NOT NULL,          -- empty: all
  reason     TEXT    NOT NULL,
  done_by    TEXT    NOT NULL,
  at         BIGINT  NOT NULL,
  until      BIGINT  NOT NULL,
  ended      BIGINT  NOT NULL,
  accounts   BYTEA   NOT NULL,                      -- what the finding held then
  sites      BYTEA   NOT NULL
);
CREATE INDEX acts_finding ON acts (finding_id);
CREATE INDEX acts_running ON acts (ended, until);

CREATE TABLE quarantine (
  file_id BIGINT  NOT NULL,
  line    BIGINT  NOT NULL,
  run     BIGINT  NOT NULL,                         -- seen only once that run is finished
  reason  TEXT    NOT NULL,
  text    TEXT    NOT NULL,                         -- redacted
  PRIMARY KEY (file_id, line, run)
);
CREATE INDEX quarantine_run ON quarantine (run);

CREATE TABLE outbox (
  id       BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key      TEXT    COLLATE "C" NOT NULL UNIQUE,
  sink     TEXT    NOT NULL,
  body     BYTEA   NOT NULL,
  created  BIGINT  NOT NULL,
  attempts BIGINT  NOT NULL,
  next_at  BIGINT  NOT NULL,
  sent_at  BIGINT  NOT NULL,
  error    TEXT    NOT NULL,
  receipt  TEXT    NOT NULL
);
CREATE INDEX outbox_waiting ON outbox (sent_at, id);

CREATE TABLE trail (
  seq        BIGINT  NOT NULL PRIMARY KEY,
  at         BIGINT  NOT NULL,
  who        TEXT    NOT NULL,
  what       TEXT    NOT NULL,
  finding_id TEXT    COLLATE "C" NOT NULL,          -- empty: not about a finding
  body       TEXT,                                  -- JSON, why and details; NULL: erased
  salt       BYTEA,                                 -- erased with the body
  digest     BYTEA   NOT NULL,                      -- SHA-256 of salt and body
  prev       BYTEA   NOT NULL,                      -- hash of the entry before
  hash       BYTEA   NOT NULL                       -- SHA-256 of all of the above but body and salt
);
CREATE INDEX trail_finding ON trail (finding_id, seq);

CREATE FUNCTION trail_keeps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' THEN
    RAISE EXCEPTION 'the trail is append-only: no entry can be deleted';
  END IF;
  IF NOT (NEW.body IS NULL AND NEW.salt IS NULL AND NEW.seq = OLD.seq AND NEW.at = OLD.at AND NEW.who = OLD.who AND NEW.what = OLD.what
    AND NEW.finding_id = OLD.finding_id AND NEW.digest = OLD.digest AND NEW.prev = OLD.prev AND NEW.hash = OLD.hash) THEN
    RAISE EXCEPTION 'the trail is append-only: of an entry only body and salt can be erased';
  END IF;
  RETURN NEW;
END;
$$;

CREATE TRIGGER trail_keeps BEFORE UPDATE OR DELETE ON trail FOR EACH ROW EXECUTE FUNCTION trail_keeps();
CREATE TRIGGER trail_keeps_all BEFORE TRUNCATE ON trail FOR EACH STATEMENT EXECUTE FUNCTION trail_keeps();
-- +goose StatementEnd
