-- One word for work that is done outside: a job. The table had the name that the code had for it.

ALTER TABLE effect RENAME TO job;

DROP INDEX IF EXISTS effect_due;
CREATE INDEX job_due ON job (state, due_at);

DROP INDEX IF EXISTS effect_kind;
CREATE INDEX job_kind ON job (state, kind, due_at);
