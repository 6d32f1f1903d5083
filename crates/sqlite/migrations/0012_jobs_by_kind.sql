-- Each kind of job has a line of its own, so that a backlog of mails does not stand before a call of the provider.

CREATE INDEX effect_kind ON effect (state, kind, due_at);
