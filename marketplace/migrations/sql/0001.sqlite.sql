CREATE TABLE account (
	name VARCHAR NOT NULL,
	overdraft BOOLEAN NOT NULL,
	balance_nanos BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	PRIMARY KEY (name),
	CONSTRAINT only_overdraft_goes_below_zero CHECK (overdraft OR balance_nanos >= 0)
)

CREATE TABLE epoch (
	number BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	PRIMARY KEY (number)
)

CREATE TABLE request (
	"key" VARCHAR NOT NULL,
	operation VARCHAR NOT NULL,
	body VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY ("key")
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
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(owner) REFERENCES account (name),
	UNIQUE (digest),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
)

CREATE INDEX ix_listing_owner ON listing (owner)

CREATE TABLE transfer (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	at FLOAT NOT NULL,
	kind VARCHAR NOT NULL,
	memo VARCHAR NOT NULL,
	"key" VARCHAR NOT NULL,
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
)

CREATE TABLE posting (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	transfer_id BIGINT NOT NULL,
	account VARCHAR NOT NULL,
	amount_nanos BIGINT NOT NULL,
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

CREATE TRIGGER request_no_update BEFORE UPDATE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END

CREATE TRIGGER request_no_delete BEFORE DELETE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END

CREATE TRIGGER request_no_replace BEFORE INSERT ON request WHEN EXISTS (SELECT 1 FROM request WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END

CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END

CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END

CREATE TRIGGER transfer_no_replace BEFORE INSERT ON transfer WHEN EXISTS (SELECT 1 FROM transfer WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END

CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END

CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END

CREATE TRIGGER posting_no_replace BEFORE INSERT ON posting WHEN EXISTS (SELECT 1 FROM posting WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END

CREATE TRIGGER listing_no_update BEFORE UPDATE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END

CREATE TRIGGER listing_no_delete BEFORE DELETE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END

CREATE TRIGGER listing_no_replace BEFORE INSERT ON listing WHEN EXISTS (SELECT 1 FROM listing WHERE name = NEW.name) BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END

CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END

CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END

CREATE TRIGGER receipt_no_replace BEFORE INSERT ON receipt WHEN EXISTS (SELECT 1 FROM receipt WHERE listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END

CREATE TRIGGER purchase_no_update BEFORE UPDATE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END

CREATE TRIGGER purchase_no_delete BEFORE DELETE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END

CREATE TRIGGER purchase_no_replace BEFORE INSERT ON purchase WHEN EXISTS (SELECT 1 FROM purchase WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END

CREATE TRIGGER epoch_no_update BEFORE UPDATE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END

CREATE TRIGGER epoch_no_delete BEFORE DELETE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END

CREATE TRIGGER epoch_no_replace BEFORE INSERT ON epoch WHEN EXISTS (SELECT 1 FROM epoch WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END

CREATE TRIGGER price_no_update BEFORE UPDATE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END

CREATE TRIGGER price_no_delete BEFORE DELETE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END

CREATE TRIGGER price_no_replace BEFORE INSERT ON price WHEN EXISTS (SELECT 1 FROM price WHERE listing = NEW.listing AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END

CREATE TRIGGER account_no_delete BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'append-only: of an account only the balance changes'); END

CREATE TRIGGER account_no_update BEFORE UPDATE OF name, overdraft, opened_at ON account BEGIN SELECT RAISE(ABORT, 'append-only: of an account only the balance changes'); END
