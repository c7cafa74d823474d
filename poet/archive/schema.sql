-- One run of POET. Rows are added and never deleted; `pair`, `state` and `rescore` alone are updated in place.
-- Terms: a niche is an admitted environment; an agent is a copy of theta kept for good.
-- Blobs are little-endian float64; those of theta are of length P.

CREATE TABLE run (  -- what the run was started with
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE niche (
    id INTEGER PRIMARY KEY,  -- in order of admission
    environment TEXT NOT NULL,  -- content hash
    domain TEXT NOT NULL,
    encoding TEXT NOT NULL,
    genome TEXT NOT NULL,  -- JSON
    terrain_seed INTEGER NOT NULL,
    parent INTEGER REFERENCES niche (id),  -- NULL of inputs, and of most that a run begins in
    born INTEGER NOT NULL,  -- iteration
    retired INTEGER,  -- iteration
    solved INTEGER,  -- iteration at which its own agent first solved it
    archive_score REAL  -- best of any agent, active or archived, when it was admitted; NULL if not measured
) STRICT;

CREATE TABLE pair (  -- the latest state of every niche's agent
    niche INTEGER PRIMARY KEY REFERENCES niche (id),
    theta BLOB NOT NULL,
    score REAL,
    best_score REAL,
    best_iteration INTEGER,
    best_theta BLOB
) STRICT;

CREATE TABLE state (  -- what its optimiser knows, whatever that may be
    niche INTEGER NOT NULL REFERENCES niche (id),
    name TEXT NOT NULL,
    shape TEXT NOT NULL,  -- JSON list; [] of a number
    value BLOB NOT NULL,
    PRIMARY KEY (niche, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent (
    id INTEGER PRIMARY KEY,
    niche INTEGER NOT NULL REFERENCES niche (id),
    iteration INTEGER NOT NULL,
    origin TEXT NOT NULL,  -- why the copy was kept
    source INTEGER REFERENCES niche (id),  -- where the agent came from, if it moved
    score REAL,
    theta BLOB NOT NULL
) STRICT;

CREATE TABLE figure_names (  -- what optimisers have to tell of a step
    id INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE  -- JSON list
) STRICT;

CREATE TABLE score (  -- one step of the optimiser and the self-evaluation after it
    niche INTEGER NOT NULL REFERENCES niche (id),
    iteration INTEGER NOT NULL,
    score REAL NOT NULL,
    finished INTEGER NOT NULL,
    fell INTEGER NOT NULL,
    timed_out INTEGER NOT NULL,
    diverged INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    names INTEGER NOT NULL REFERENCES figure_names (id),
    figures BLOB NOT NULL,  -- one number a name
    PRIMARY KEY (niche, iteration)
) STRICT, WITHOUT ROWID;

CREATE TABLE transfer (  -- one target's tournament
    iteration INTEGER NOT NULL,
    target INTEGER NOT NULL REFERENCES niche (id),
    incumbent_score REAL NOT NULL,
    source INTEGER REFERENCES niche (id),  -- of the agent that moved in; NULL where the incumbent stayed
    kind TEXT,
    score REAL,
    PRIMARY KEY (iteration, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE proposal (  -- one agent tried in one tournament
    iteration INTEGER NOT NULL,
    target INTEGER NOT NULL,
    source INTEGER NOT NULL REFERENCES niche (id),
    kind TEXT NOT NULL,  -- direct, fine-tuned, or confirmed: the winner again, and under the target's id the incumbent
    score REAL NOT NULL,
    PRIMARY KEY (iteration, target, source, kind),
    FOREIGN KEY (iteration, target) REFERENCES transfer (iteration, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE child (  -- one mutated environment, admitted or not
    iteration INTEGER NOT NULL,
    number INTEGER NOT NULL,
    parent INTEGER NOT NULL REFERENCES niche (id),  -- of an input, the niche whose agent judged it
    environment TEXT NOT NULL,  -- content hash
    genome TEXT NOT NULL,  -- JSON
    terrain_seed INTEGER NOT NULL,
    decision TEXT NOT NULL,
    parent_score REAL,  -- of its parent's agent in it
    novelty REAL,
    source INTEGER REFERENCES niche (id),  -- whose agent served it best
    kind TEXT,
    score REAL,  -- of that agent
    niche INTEGER REFERENCES niche (id),
    PRIMARY KEY (iteration, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE audition (  -- one agent tried in a child environment
    iteration INTEGER NOT NULL,
    number INTEGER NOT NULL,
    source INTEGER NOT NULL REFERENCES niche (id),
    kind TEXT NOT NULL,  -- direct or fine-tuned
    score REAL NOT NULL,
    PRIMARY KEY (iteration, number, source, kind),
    FOREIGN KEY (iteration, number) REFERENCES child (iteration, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE input (  -- what a person put into the run: an environment, tried as the child of that number
    iteration INTEGER NOT NULL,
    number INTEGER NOT NULL,
    environment TEXT NOT NULL,  -- canonical JSON
    PRIMARY KEY (iteration, number),
    FOREIGN KEY (iteration, number) REFERENCES child (iteration, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE performance (  -- one agent, active or archived, in one environment, admitted or a candidate
    agent INTEGER NOT NULL REFERENCES niche (id),
    version INTEGER NOT NULL,  -- iteration that it was the agent of its niche at the start of; the last if retired
    environment TEXT NOT NULL,  -- content hash
    score REAL NOT NULL,
    PRIMARY KEY (agent, version, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE reuse (  -- how many such scores a phase asked for, and how many of them were known
    iteration INTEGER NOT NULL REFERENCES iteration (iteration),
    number INTEGER NOT NULL,  -- of the phase, within the iteration
    purpose TEXT NOT NULL,
    pairings INTEGER NOT NULL,
    reused INTEGER NOT NULL,
    PRIMARY KEY (iteration, number)
) STRICT, WITHOUT ROWID;

-- A niche is listed beside the child that it was admitted as.
CREATE INDEX child_by_niche ON child (niche) WHERE niche IS NOT NULL;

CREATE TABLE iteration (
    iteration INTEGER PRIMARY KEY,
    active INTEGER NOT NULL,  -- pairs, at its end
    diverged INTEGER NOT NULL  -- episodes
) STRICT;

CREATE TABLE cost (
    iteration INTEGER NOT NULL REFERENCES iteration (iteration),
    purpose TEXT NOT NULL,
    episodes INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    PRIMARY KEY (iteration, purpose)
) STRICT, WITHOUT ROWID;

CREATE TABLE checksum (  -- of every row but those below; `checksums.py` says how
    part TEXT NOT NULL,  -- settings (and figure_names), niche, pair (and state), agent, iteration or performance
    id INTEGER NOT NULL,  -- of the niche, the agent or the iteration
    rows INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    PRIMARY KEY (part, id)
) STRICT, WITHOUT ROWID;

-- Below: what differs between two runs of the same configuration and seed, or is not there in all of them.

CREATE TABLE rescore (  -- fresh episodes of every niche's best agent, from when the run ended (poet/archive/rescoring.py)
    niche INTEGER NOT NULL REFERENCES niche (id),
    episode INTEGER NOT NULL,
    agent TEXT NOT NULL,  -- content hash; once it is the niche's best no more, the row is out of date
    return REAL NOT NULL,
    steps INTEGER NOT NULL,
    outcome INTEGER NOT NULL,  -- 0 finished, 1 fell, 2 timed out, 3 diverged
    PRIMARY KEY (niche, episode)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipt (  -- by which file of the inbox an input came, so that none is taken twice
    file TEXT PRIMARY KEY,
    iteration INTEGER NOT NULL,
    number INTEGER NOT NULL,
    host TEXT NOT NULL,
    received TEXT NOT NULL,  -- UTC
    FOREIGN KEY (iteration, number) REFERENCES input (iteration, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (  -- one life of the master process
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    workers INTEGER NOT NULL,
    version TEXT NOT NULL,
    started TEXT NOT NULL  -- UTC
) STRICT;

CREATE TABLE timing (
    iteration INTEGER PRIMARY KEY REFERENCES iteration (iteration),
    session INTEGER NOT NULL REFERENCES session (id),
    seconds REAL NOT NULL,
    committed TEXT NOT NULL  -- UTC
) STRICT;
