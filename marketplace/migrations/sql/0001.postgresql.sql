CREATE TABLE account (
	name VARCHAR NOT NULL,
	overdraft BOOLEAN NOT NULL,
	balance_nanos BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	PRIMARY KEY (name),
	CONSTRAINT only_overdraft_goes_below_zero CHECK (overdraft OR balance_nanos >= 0)
)

CREATE TABLE epoch (
	number BIGSERIAL NOT NULL,
	opened_at FLOAT NOT NULL,
	PRIMARY KEY (number)
)

CREATE TABLE request (
	key VARCHAR NOT NULL,
	operation VARCHAR NOT NULL,
	body VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (key)
)

CREATE TABLE listing (
	name VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	base_model VARCHAR NOT NULL,
	niche VARCHAR NOT NULL,
	description VARCHAR NOT NULL,
	ask_nanos BIGINT NOT NULL,
	published_at FLOAT NOT NULL,
	key VARCHAR NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(owner) REFERENCES account (name),
	UNIQUE (digest),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
)

CREATE INDEX ix_listing_owner ON listing (owner)

CREATE TABLE transfer (
	id BIGSERIAL NOT NULL,
	at FLOAT NOT NULL,
	kind VARCHAR NOT NULL,
	memo VARCHAR NOT NULL,
	key VARCHAR NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
)

CREATE TABLE posting (
	id BIGSERIAL NOT NULL,
	transfer_id BIGINT NOT NULL,
	account VARCHAR NOT NULL,
	amount_nanos BIGINT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT posting_moves_something CHECK (amount_nanos <> 0),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(account) REFERENCES account (name)
)

CREATE INDEX ix_posting_account ON posting (account)

CREATE INDEX ix_posting_transfer_id ON posting (transfer_id)

CREATE TABLE price (
	listing VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	price_nanos BIGINT NOT NULL,
	log_premium FLOAT NOT NULL,
	usual_buyers FLOAT NOT NULL,
	PRIMARY KEY (listing, epoch),
	CONSTRAINT nothing_is_free CHECK (price_nanos > 0),
	FOREIGN KEY(listing) REFERENCES listing (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number)
)

CREATE INDEX ix_price_epoch ON price (epoch)

CREATE TABLE purchase (
	transfer_id BIGINT NOT NULL,
	buyer VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	price_nanos BIGINT NOT NULL,
	fee_nanos BIGINT NOT NULL,
	creator_nanos BIGINT NOT NULL,
	PRIMARY KEY (transfer_id),
	CONSTRAINT nobody_buys_twice UNIQUE (buyer, listing),
	CONSTRAINT split_is_exact CHECK (fee_nanos + creator_nanos = price_nanos),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(buyer) REFERENCES account (name),
	FOREIGN KEY(listing) REFERENCES listing (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number)
)

CREATE INDEX ix_purchase_epoch ON purchase (epoch)

CREATE INDEX ix_purchase_listing ON purchase (listing)

CREATE TABLE receipt (
	listing VARCHAR NOT NULL,
	skill VARCHAR NOT NULL,
	split VARCHAR NOT NULL,
	n_questions BIGINT NOT NULL,
	n_correct BIGINT NOT NULL,
	n_base_correct BIGINT NOT NULL,
	PRIMARY KEY (listing),
	CONSTRAINT no_more_right_than_asked CHECK (n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions),
	FOREIGN KEY(listing) REFERENCES listing (name)
)

-- protection: applied when the rows are in place

CREATE FUNCTION market_keep_rows() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'append-only: rows of ' || TG_TABLE_NAME || ' are never changed'; END$$

CREATE TRIGGER request_no_change BEFORE DELETE OR UPDATE ON request FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE request ENABLE ALWAYS TRIGGER request_no_change

CREATE TRIGGER request_no_truncate BEFORE TRUNCATE ON request FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE request ENABLE ALWAYS TRIGGER request_no_truncate

REVOKE ALL ON request FROM PUBLIC

REVOKE DELETE, TRUNCATE ON request FROM CURRENT_USER

CREATE TRIGGER transfer_no_change BEFORE DELETE OR UPDATE ON transfer FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_no_change

CREATE TRIGGER transfer_no_truncate BEFORE TRUNCATE ON transfer FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_no_truncate

REVOKE ALL ON transfer FROM PUBLIC

REVOKE DELETE, TRUNCATE ON transfer FROM CURRENT_USER

CREATE TRIGGER posting_no_change BEFORE DELETE OR UPDATE ON posting FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_no_change

CREATE TRIGGER posting_no_truncate BEFORE TRUNCATE ON posting FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_no_truncate

REVOKE ALL ON posting FROM PUBLIC

REVOKE DELETE, TRUNCATE ON posting FROM CURRENT_USER

CREATE TRIGGER listing_no_change BEFORE DELETE OR UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE listing ENABLE ALWAYS TRIGGER listing_no_change

CREATE TRIGGER listing_no_truncate BEFORE TRUNCATE ON listing FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE listing ENABLE ALWAYS TRIGGER listing_no_truncate

REVOKE ALL ON listing FROM PUBLIC

REVOKE DELETE, TRUNCATE ON listing FROM CURRENT_USER

CREATE TRIGGER receipt_no_change BEFORE DELETE OR UPDATE ON receipt FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE receipt ENABLE ALWAYS TRIGGER receipt_no_change

CREATE TRIGGER receipt_no_truncate BEFORE TRUNCATE ON receipt FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE receipt ENABLE ALWAYS TRIGGER receipt_no_truncate

REVOKE ALL ON receipt FROM PUBLIC

REVOKE DELETE, TRUNCATE ON receipt FROM CURRENT_USER

CREATE TRIGGER purchase_no_change BEFORE DELETE OR UPDATE ON purchase FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE purchase ENABLE ALWAYS TRIGGER purchase_no_change

CREATE TRIGGER purchase_no_truncate BEFORE TRUNCATE ON purchase FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE purchase ENABLE ALWAYS TRIGGER purchase_no_truncate

REVOKE ALL ON purchase FROM PUBLIC

REVOKE DELETE, TRUNCATE ON purchase FROM CURRENT_USER

CREATE TRIGGER epoch_no_change BEFORE DELETE OR UPDATE ON epoch FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE epoch ENABLE ALWAYS TRIGGER epoch_no_change

CREATE TRIGGER epoch_no_truncate BEFORE TRUNCATE ON epoch FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE epoch ENABLE ALWAYS TRIGGER epoch_no_truncate

REVOKE ALL ON epoch FROM PUBLIC

REVOKE DELETE, TRUNCATE ON epoch FROM CURRENT_USER

CREATE TRIGGER price_no_change BEFORE DELETE OR UPDATE ON price FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE price ENABLE ALWAYS TRIGGER price_no_change

CREATE TRIGGER price_no_truncate BEFORE TRUNCATE ON price FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE price ENABLE ALWAYS TRIGGER price_no_truncate

REVOKE ALL ON price FROM PUBLIC

REVOKE DELETE, TRUNCATE ON price FROM CURRENT_USER

CREATE TRIGGER account_no_change BEFORE DELETE OR UPDATE OF name, overdraft, opened_at ON account FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account ENABLE ALWAYS TRIGGER account_no_change

CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON account FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account ENABLE ALWAYS TRIGGER account_no_truncate

REVOKE ALL ON account FROM PUBLIC

REVOKE DELETE, TRUNCATE ON account FROM CURRENT_USER
