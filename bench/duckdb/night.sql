-- A night's work as a user of DuckDB would write it. Each statement is one step, named by the comment before it.
-- Stands in for the sources: {access}, {reports}, {installs}, {apps}; and for {complete_since}, {as_of}.

-- step: calls, without their copies
CREATE TEMP TABLE calls AS
SELECT DISTINCT ON (request_id) *
FROM read_json({access}, format = 'newline_delimited', columns = {
  ts: 'TIMESTAMP', request_id: 'VARCHAR', app_key: 'VARCHAR', cloud_id: 'VARCHAR', path: 'VARCHAR', auth: 'VARCHAR',
  purpose: 'VARCHAR', status: 'SMALLINT', account_ids: 'VARCHAR[]'});

-- step: approvals
CREATE TEMP TABLE approvals AS
SELECT key AS app_key,
  list({since: g.decided_at, till: coalesce(g.revoked_at, 'infinity'), purposes: g.purposes})
    FILTER (WHERE g.status IN ('approved', 'withdrawn')) AS grants,
  flatten(list(g.purposes)) AS named
FROM (
  SELECT key, unnest(approvals) AS g
  FROM read_json({apps}, format = 'newline_delimited', columns = {key: 'VARCHAR',
    approvals: 'STRUCT(status VARCHAR, decided_at TIMESTAMP, revoked_at TIMESTAMP, purposes VARCHAR[])[]'}))
GROUP BY key;

-- step: absences, the times between which a site is known to be without the app
CREATE TEMP TABLE absences AS
WITH moments AS (
  SELECT app_key, cloud_id, ts, bool_or(event IN ('installed', 'enabled', 'present')) AS active, bool_or(event = 'installed') AS installed
  FROM read_json({installs}, format = 'newline_delimited', columns = {
    ts: 'TIMESTAMP', app_key: 'VARCHAR', cloud_id: 'VARCHAR', event: 'VARCHAR'})
  WHERE ts <= {as_of}
  GROUP BY ALL
), ordered AS (
  SELECT *, lag(active) OVER site AS before FROM moments WINDOW site AS (PARTITION BY app_key, cloud_id ORDER BY ts)
), changes AS (
  SELECT *, lead(ts, 1, 'infinity') OVER site AS next FROM ordered WHERE active IS DISTINCT FROM before
  WINDOW site AS (PARTITION BY app_key, cloud_id ORDER BY ts)
)
SELECT app_key, cloud_id, ts + INTERVAL 5 MINUTE + INTERVAL 1 MICROSECOND AS since, next AS till FROM changes WHERE NOT active
UNION ALL
SELECT app_key, cloud_id, {complete_since}, CASE WHEN installed THEN ts ELSE {complete_since} END FROM changes WHERE before IS NULL;

-- step: tally of calls
CREATE TABLE tally AS
SELECT app_key, cloud_id, path, auth, purpose, status, ts::DATE AS day,
  count(*) AS calls, min(ts) AS first, max(ts) AS last, sum(len(account_ids)) AS accounts
FROM calls GROUP BY ALL;

-- step: ledger of accounts retrieved
CREATE TABLE ledger AS
SELECT app_key, account_id, min(ts) AS first, max(ts) AS last
FROM (SELECT app_key, ts, unnest(account_ids) AS account_id FROM calls WHERE status = 200)
GROUP BY app_key, account_id;

-- step: accounts reported
CREATE TABLE reported AS
SELECT app_key, r.account_id, max(r.updated_at) AS updated_at, max(ts) AS last
FROM (
  SELECT app_key, ts, unnest(accounts) AS r
  FROM read_json({reports}, format = 'newline_delimited', columns = {ts: 'TIMESTAMP', app_key: 'VARCHAR', status: 'SMALLINT',
    accounts: 'STRUCT(account_id VARCHAR, updated_at TIMESTAMP)[]'})
  WHERE status IN (200, 204))
GROUP BY ALL;

-- step: calls against approvals and purposes
CREATE TEMP TABLE violations AS
SELECT app_key, cloud_id, account_ids,
  CASE WHEN len(coalesce(force, [])) = 0 THEN 'access-unapproved'
    WHEN p = 'none' THEN 'purpose-undeclared'
    WHEN p IN {prohibited} THEN 'purpose-prohibited'
    WHEN p IN {approvable} OR list_contains(named, p) THEN 'purpose-not-approved'
    ELSE 'purpose-undeclared' END AS check_id,
  CASE WHEN len(coalesce(force, [])) = 0 THEN ''
    WHEN p = 'none' OR p IN {prohibited} OR p IN {approvable} OR list_contains(named, p) THEN p
    ELSE 'unknown' END AS subject
FROM (
  SELECT c.app_key, cloud_id, account_ids, named, coalesce(nullif(purpose, ''), 'none') AS p,
    list_filter(grants, lambda g: g.since <= ts AND ts < g.till) AS force
  FROM calls c LEFT JOIN approvals a ON a.app_key = c.app_key
  WHERE status = 200 AND len(account_ids) > 0 AND c.app_key <> '')
WHERE force IS NULL OR p IN {prohibited} OR NOT list_contains(flatten(list_transform(force, lambda g: g.purposes)), p);

-- step: calls against installs
INSERT INTO violations
SELECT c.app_key, c.cloud_id, account_ids, 'access-not-installed', ''
FROM calls c LEFT JOIN absences i ON i.app_key = c.app_key AND i.cloud_id = c.cloud_id
WHERE status = 200 AND len(account_ids) > 0 AND c.app_key <> ''
  AND CASE WHEN since IS NULL THEN ts >= {complete_since} ELSE ts >= since AND ts < till END;

-- step: findings
CREATE TABLE findings AS
SELECT f.*, coalesce(accounts, 0) AS accounts
FROM (
  SELECT check_id, app_key, subject, count(*) AS occurrences, count(DISTINCT cloud_id) AS sites
  FROM violations GROUP BY ALL) f
LEFT JOIN (
  SELECT check_id, app_key, subject, count(DISTINCT account_id) AS accounts
  FROM (SELECT check_id, app_key, subject, unnest(account_ids) AS account_id FROM violations)
  WHERE account_id <> 'unknown' GROUP BY ALL) n
USING (check_id, app_key, subject);

-- step: accounts retrieved and not reported
CREATE TABLE missing AS
SELECT app_key, count(*) AS accounts
FROM ledger ANTI JOIN reported USING (app_key, account_id)
GROUP BY app_key;
