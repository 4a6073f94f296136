-- Which vendor serves which school, who is suspended, who is staff where; see services/common/standing.py. Copies of
-- what gradebook announces: ids and roles only. A row is replaced by a higher version alone.

CREATE TABLE served_year (
    school      text   NOT NULL,
    school_year text   NOT NULL,
    vendor      text   NOT NULL,  -- without "vendor/"
    version     bigint NOT NULL,
    PRIMARY KEY (school, school_year)
);

CREATE TABLE vendor_standing (
    vendor    text    PRIMARY KEY,
    suspended boolean NOT NULL,
    version   bigint  NOT NULL
);

CREATE TABLE staff_standing (
    school  text       NOT NULL,
    person  text       NOT NULL,
    roles   smallint[] NOT NULL,  -- Role of gradebook; none: not staff any more
    version bigint     NOT NULL,
    PRIMARY KEY (school, person)
);
