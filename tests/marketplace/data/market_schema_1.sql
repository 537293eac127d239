BEGIN TRANSACTION;
CREATE TABLE account (
	name VARCHAR NOT NULL, 
	overdraft BOOLEAN NOT NULL, 
	balance_nanos BIGINT NOT NULL, 
	opened_at FLOAT NOT NULL, 
	PRIMARY KEY (name), 
	CONSTRAINT only_overdraft_goes_below_zero CHECK (overdraft OR balance_nanos >= 0)
);
INSERT INTO "account" VALUES('world',1,-105000000000,1000001.0);
INSERT INTO "account" VALUES('platform',0,511812300,1000001.0);
INSERT INTO "account" VALUES('ada',0,96587918000,1000002.0);
INSERT INTO "account" VALUES('bob',0,4829395900,1000004.0);
INSERT INTO "account" VALUES('eve',0,3070873800,1000006.0);
CREATE TABLE epoch (
	number BIGINT NOT NULL, 
	opened_at FLOAT NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "epoch" VALUES(0,1000001.0);
INSERT INTO "epoch" VALUES(1,1000010.0);
INSERT INTO "epoch" VALUES(2,1000013.0);
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
);
INSERT INTO "listing" VALUES('sort','bob','digest-of-sort','tiny-llama','sorting','',1000000000,1000007.0,'publish-sort');
INSERT INTO "listing" VALUES('sum','eve','digest-of-sum','tiny-llama','sorting','',1000000000,1000008.0,'publish-sum');
CREATE TABLE posting (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	transfer_id BIGINT NOT NULL, 
	account VARCHAR NOT NULL, 
	amount_nanos BIGINT NOT NULL, 
	CONSTRAINT posting_moves_something CHECK (amount_nanos <> 0), 
	FOREIGN KEY(transfer_id) REFERENCES transfer (id), 
	FOREIGN KEY(account) REFERENCES account (name)
);
INSERT INTO "posting" VALUES(1,1,'world',-100000000000);
INSERT INTO "posting" VALUES(2,1,'ada',100000000000);
INSERT INTO "posting" VALUES(3,2,'world',-5000000000);
INSERT INTO "posting" VALUES(4,2,'bob',5000000000);
INSERT INTO "posting" VALUES(5,3,'ada',-1706041000);
INSERT INTO "posting" VALUES(6,3,'bob',1535436900);
INSERT INTO "posting" VALUES(7,3,'platform',170604100);
INSERT INTO "posting" VALUES(8,4,'bob',-1706041000);
INSERT INTO "posting" VALUES(9,4,'eve',1535436900);
INSERT INTO "posting" VALUES(10,4,'platform',170604100);
INSERT INTO "posting" VALUES(11,5,'ada',-1706041000);
INSERT INTO "posting" VALUES(12,5,'eve',1535436900);
INSERT INTO "posting" VALUES(13,5,'platform',170604100);
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
);
INSERT INTO "price" VALUES('sort',0,1706041000,0.0,0.0);
INSERT INTO "price" VALUES('sum',0,1706041000,0.0,0.0);
INSERT INTO "price" VALUES('sort',1,1706817249,4.5454545454545454506e-04,5.00000000000000444089e-02);
INSERT INTO "price" VALUES('sum',1,1706041000,0.0,0.0);
INSERT INTO "price" VALUES('sort',2,1706619348,3.38760741745816368504e-04,4.75000000000000421884e-02);
INSERT INTO "price" VALUES('sum',2,1707463838,8.333333333333332784e-04,1.00000000000000088817e-01);
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
);
INSERT INTO "purchase" VALUES(3,'ada','sort',0,1706041000,170604100,1535436900);
INSERT INTO "purchase" VALUES(4,'bob','sum',1,1706041000,170604100,1535436900);
INSERT INTO "purchase" VALUES(5,'ada','sum',1,1706041000,170604100,1535436900);
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
);
INSERT INTO "receipt" VALUES('sort','sorting','test',100,80,30);
INSERT INTO "receipt" VALUES('sum','sorting','test',100,80,30);
CREATE TABLE request (
	"key" VARCHAR NOT NULL, 
	operation VARCHAR NOT NULL, 
	body VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "request" VALUES('fund-ada','fund','{"account":"ada","amount_nanos":100000000000}',1000003.0);
INSERT INTO "request" VALUES('fund-bob','fund','{"account":"bob","amount_nanos":5000000000}',1000005.0);
INSERT INTO "request" VALUES('publish-sort','publish','{"ask_nanos":1000000000,"base_model":"tiny-llama","description":"","digest":"digest-of-sort","name":"sort","niche":"sorting","owner":"bob","receipt":{"n_base_correct":30,"n_correct":80,"n_questions":100,"skill":"sorting","split":"test"}}',1000007.0);
INSERT INTO "request" VALUES('publish-sum','publish','{"ask_nanos":1000000000,"base_model":"tiny-llama","description":"","digest":"digest-of-sum","name":"sum","niche":"sorting","owner":"eve","receipt":{"n_base_correct":30,"n_correct":80,"n_questions":100,"skill":"sorting","split":"test"}}',1000008.0);
INSERT INTO "request" VALUES('ada-sort','buy','{"buyer":"ada","listing":"sort"}',1000009.0);
INSERT INTO "request" VALUES('bob-sum','buy','{"buyer":"bob","listing":"sum"}',1000011.0);
INSERT INTO "request" VALUES('ada-sum','buy','{"buyer":"ada","listing":"sum"}',1000012.0);
CREATE TABLE transfer (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	kind VARCHAR NOT NULL, 
	memo VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	UNIQUE ("key"), 
	FOREIGN KEY("key") REFERENCES request ("key")
);
INSERT INTO "transfer" VALUES(1,1000003.0,'fund','credits for ada','fund-ada');
INSERT INTO "transfer" VALUES(2,1000005.0,'fund','credits for bob','fund-bob');
INSERT INTO "transfer" VALUES(3,1000009.0,'sale','ada buys sort','ada-sort');
INSERT INTO "transfer" VALUES(4,1000011.0,'sale','bob buys sum','bob-sum');
INSERT INTO "transfer" VALUES(5,1000012.0,'sale','ada buys sum','ada-sum');
CREATE INDEX ix_listing_owner ON listing (owner);
CREATE INDEX ix_purchase_listing ON purchase (listing);
CREATE INDEX ix_purchase_epoch ON purchase (epoch);
CREATE INDEX ix_price_epoch ON price (epoch);
CREATE INDEX ix_posting_account ON posting (account);
CREATE INDEX ix_posting_transfer_id ON posting (transfer_id);
CREATE TRIGGER request_no_update BEFORE UPDATE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END;
CREATE TRIGGER request_no_delete BEFORE DELETE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END;
CREATE TRIGGER request_no_replace BEFORE INSERT ON request WHEN EXISTS (SELECT 1 FROM request WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END;
CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END;
CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END;
CREATE TRIGGER transfer_no_replace BEFORE INSERT ON transfer WHEN EXISTS (SELECT 1 FROM transfer WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END;
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END;
CREATE TRIGGER posting_no_replace BEFORE INSERT ON posting WHEN EXISTS (SELECT 1 FROM posting WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END;
CREATE TRIGGER listing_no_update BEFORE UPDATE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END;
CREATE TRIGGER listing_no_delete BEFORE DELETE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END;
CREATE TRIGGER listing_no_replace BEFORE INSERT ON listing WHEN EXISTS (SELECT 1 FROM listing WHERE name = NEW.name) BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END;
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END;
CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END;
CREATE TRIGGER receipt_no_replace BEFORE INSERT ON receipt WHEN EXISTS (SELECT 1 FROM receipt WHERE listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END;
CREATE TRIGGER purchase_no_update BEFORE UPDATE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END;
CREATE TRIGGER purchase_no_delete BEFORE DELETE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END;
CREATE TRIGGER purchase_no_replace BEFORE INSERT ON purchase WHEN EXISTS (SELECT 1 FROM purchase WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END;
CREATE TRIGGER epoch_no_update BEFORE UPDATE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END;
CREATE TRIGGER epoch_no_delete BEFORE DELETE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END;
CREATE TRIGGER epoch_no_replace BEFORE INSERT ON epoch WHEN EXISTS (SELECT 1 FROM epoch WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END;
CREATE TRIGGER price_no_update BEFORE UPDATE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END;
CREATE TRIGGER price_no_delete BEFORE DELETE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END;
CREATE TRIGGER price_no_replace BEFORE INSERT ON price WHEN EXISTS (SELECT 1 FROM price WHERE listing = NEW.listing AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END;
CREATE TRIGGER account_no_delete BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'append-only: of an account only the balance changes'); END;
CREATE TRIGGER account_no_update BEFORE UPDATE OF name, overdraft, opened_at ON account BEGIN SELECT RAISE(ABORT, 'append-only: of an account only the balance changes'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('transfer',5);
INSERT INTO "sqlite_sequence" VALUES('posting',13);
COMMIT;
PRAGMA application_id = 1129206861;
PRAGMA user_version = 1;
