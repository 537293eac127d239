-- What a market file of schema 3 held: the rows that schema 1 left, and one deed of most kinds since.
PRAGMA application_id = 1129206861;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
CREATE TABLE account (
	name VARCHAR NOT NULL,
	overdraft BOOLEAN NOT NULL,
	balance_nanos BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	held_nanos BIGINT DEFAULT '0' NOT NULL,
	spent_nanos BIGINT DEFAULT '0' NOT NULL,
	last_posting_id BIGINT DEFAULT '0' NOT NULL,
	cap_nanos BIGINT,
	owner VARCHAR,
	PRIMARY KEY (name),
	CONSTRAINT only_overdraft_goes_below_zero CHECK (overdraft OR balance_nanos >= held_nanos),
	CONSTRAINT held_is_a_promise CHECK (held_nanos >= 0),
	CONSTRAINT cap_is_kept CHECK (cap_nanos IS NULL OR spent_nanos + held_nanos <= cap_nanos),
	FOREIGN KEY(owner) REFERENCES account (name)
);
INSERT INTO "account" VALUES('world',1,-105000000000,1000001.0,0,0,3,NULL,NULL);
INSERT INTO "account" VALUES('platform',0,528607421,1000001.0,0,0,22,NULL,NULL);
INSERT INTO "account" VALUES('ada',0,96087917440,1000002.0,2000000000,0,26,NULL,NULL);
INSERT INTO "account" VALUES('bob',0,4980551989,1000004.0,0,0,23,NULL,NULL);
INSERT INTO "account" VALUES('eve',0,2902923150,1000006.0,1000000000,0,19,NULL,NULL);
INSERT INTO "account" VALUES('escrow',0,0,1000001.0,0,0,27,NULL,NULL);
INSERT INTO "account" VALUES('ada/shopper',0,500000000,1790000003.0,0,0,15,1000000000,'ada');
CREATE TABLE account_key (
	public_key VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	added_at FLOAT NOT NULL,
	PRIMARY KEY (public_key),
	FOREIGN KEY(account) REFERENCES account (name)
);
CREATE TABLE account_trust (
	account VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	trust FLOAT NOT NULL,
	PRIMARY KEY (account, epoch),
	FOREIGN KEY(account) REFERENCES account (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number)
);
CREATE TABLE bounty (
	hold_id BIGINT NOT NULL,
	sponsor VARCHAR NOT NULL,
	principal VARCHAR NOT NULL,
	skill VARCHAR NOT NULL,
	base_model VARCHAR NOT NULL,
	exam VARCHAR NOT NULL,
	min_questions BIGINT NOT NULL,
	min_accuracy_parts BIGINT NOT NULL,
	reward_nanos BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	ends_at FLOAT NOT NULL,
	PRIMARY KEY (hold_id),
	FOREIGN KEY(hold_id) REFERENCES transfer (id),
	FOREIGN KEY(sponsor) REFERENCES account (name),
	FOREIGN KEY(principal) REFERENCES account (name)
);
INSERT INTO "bounty" VALUES(10,'ada','ada','case','tiny-llama','standard',20,500000,1000000000,1790000012.0,1790432012.0);
CREATE TABLE bounty_award (
	hold_id BIGINT NOT NULL,
	listing VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	judge VARCHAR NOT NULL,
	n_questions BIGINT NOT NULL,
	n_correct BIGINT NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (hold_id),
	FOREIGN KEY(hold_id) REFERENCES bounty (hold_id),
	FOREIGN KEY(listing) REFERENCES listing (name),
	FOREIGN KEY(judge) REFERENCES account (name)
);
CREATE TABLE bundle (
	name VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	discount_parts BIGINT NOT NULL,
	at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(owner) REFERENCES account (name),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
CREATE TABLE bundle_part (
	bundle VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	PRIMARY KEY (bundle, listing),
	FOREIGN KEY(bundle) REFERENCES bundle (name),
	FOREIGN KEY(listing) REFERENCES listing (name)
);
CREATE TABLE compute_offer (
	name VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	resource VARCHAR NOT NULL,
	ask_nanos BIGINT NOT NULL,
	capacity_units BIGINT NOT NULL,
	epoch BIGINT NOT NULL,
	at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (name),
	CONSTRAINT offer_is_positive CHECK (ask_nanos > 0 AND capacity_units > 0),
	FOREIGN KEY(owner) REFERENCES account (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
CREATE TABLE compute_use (
	transfer_id BIGINT NOT NULL,
	offer VARCHAR NOT NULL,
	user VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	units BIGINT NOT NULL,
	rate_nanos BIGINT NOT NULL,
	PRIMARY KEY (transfer_id),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(offer) REFERENCES compute_offer (name),
	FOREIGN KEY(user) REFERENCES account (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number)
);
CREATE TABLE epoch (
	number BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	PRIMARY KEY (number)
);
INSERT INTO "epoch" VALUES(0,1000001.0);
INSERT INTO "epoch" VALUES(1,1000010.0);
INSERT INTO "epoch" VALUES(2,1000013.0);
INSERT INTO "epoch" VALUES(3,1790000015.0);
CREATE TABLE evaluator (
	account VARCHAR NOT NULL,
	appointed_at FLOAT NOT NULL,
	PRIMARY KEY (account),
	FOREIGN KEY(account) REFERENCES account (name)
);
CREATE TABLE income (
	transfer_id BIGINT NOT NULL,
	source VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	role VARCHAR NOT NULL,
	amount_nanos BIGINT NOT NULL,
	PRIMARY KEY (transfer_id, source, account, role),
	CONSTRAINT income_is_positive CHECK (amount_nanos > 0),
	FOREIGN KEY(transfer_id) REFERENCES settlement (transfer_id),
	FOREIGN KEY(account) REFERENCES account (name)
);
INSERT INTO "income" VALUES(3,'sort','bob','seller',1535436900);
INSERT INTO "income" VALUES(4,'sum','eve','seller',1535436900);
INSERT INTO "income" VALUES(5,'sum','eve','seller',1535436900);
INSERT INTO "income" VALUES(7,'child','bob','seller',151155585);
INSERT INTO "income" VALUES(9,'child','bob','seller',504);
CREATE TABLE key_revocation (
	public_key VARCHAR NOT NULL,
	revoked_at FLOAT NOT NULL,
	PRIMARY KEY (public_key),
	FOREIGN KEY(public_key) REFERENCES account_key (public_key)
);
CREATE TABLE listing (
	name VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	base_model VARCHAR NOT NULL,
	niche VARCHAR NOT NULL,
	published_at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(owner) REFERENCES account (name),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
INSERT INTO "listing" VALUES('sort','bob','tiny-llama','sorting',1000007.0,'publish-sort');
INSERT INTO "listing" VALUES('sum','eve','tiny-llama','sorting',1000008.0,'publish-sum');
INSERT INTO "listing" VALUES('child','bob','tiny-llama','sort',1790000005.0,'child');
CREATE TABLE market_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT market_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "market_version" VALUES('0003');
CREATE TABLE meter (
	hold_id BIGINT NOT NULL,
	account VARCHAR NOT NULL,
	principal VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	rate_nanos BIGINT NOT NULL,
	limit_nanos BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	ends_at FLOAT NOT NULL,
	PRIMARY KEY (hold_id),
	FOREIGN KEY(hold_id) REFERENCES transfer (id),
	FOREIGN KEY(account) REFERENCES account (name),
	FOREIGN KEY(principal) REFERENCES account (name),
	FOREIGN KEY(listing) REFERENCES listing (name)
);
INSERT INTO "meter" VALUES(8,'eve','eve','child',111968,1000000000,1790000010.0,1790259210.0);
CREATE TABLE meter_reading (
	"key" VARCHAR NOT NULL,
	hold_id BIGINT NOT NULL,
	units BIGINT NOT NULL,
	n_units BIGINT NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY ("key"),
	CONSTRAINT reading_is_positive CHECK (units > 0),
	CONSTRAINT totals_grow UNIQUE (hold_id, n_units),
	FOREIGN KEY("key") REFERENCES request ("key"),
	FOREIGN KEY(hold_id) REFERENCES meter (hold_id)
);
CREATE TABLE open_hold (
	transfer_id BIGINT NOT NULL,
	payer VARCHAR NOT NULL,
	amount_nanos BIGINT NOT NULL,
	expires_at FLOAT NOT NULL,
	PRIMARY KEY (transfer_id),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(payer) REFERENCES account (name)
);
INSERT INTO "open_hold" VALUES(8,'eve',1000000000,1792851210.0);
INSERT INTO "open_hold" VALUES(10,'ada',1000000000,1790432012.0);
INSERT INTO "open_hold" VALUES(11,'ada',1000000000,1795184013.0);
CREATE TABLE posting (
	id INTEGER NOT NULL,
	transfer_id BIGINT NOT NULL,
	account VARCHAR NOT NULL,
	amount_nanos BIGINT NOT NULL,
	pending BOOLEAN DEFAULT false NOT NULL,
	previous_id BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT posting_moves_something CHECK (amount_nanos <> 0),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(account) REFERENCES account (name)
);
INSERT INTO "posting" VALUES(1,1,'world',-100000000000,0,0);
INSERT INTO "posting" VALUES(2,1,'ada',100000000000,0,0);
INSERT INTO "posting" VALUES(3,2,'world',-5000000000,0,1);
INSERT INTO "posting" VALUES(4,2,'bob',5000000000,0,0);
INSERT INTO "posting" VALUES(5,3,'ada',-1706041000,0,2);
INSERT INTO "posting" VALUES(6,3,'bob',1535436900,0,4);
INSERT INTO "posting" VALUES(7,3,'platform',170604100,0,0);
INSERT INTO "posting" VALUES(8,4,'bob',-1706041000,0,6);
INSERT INTO "posting" VALUES(9,4,'eve',1535436900,0,0);
INSERT INTO "posting" VALUES(10,4,'platform',170604100,0,7);
INSERT INTO "posting" VALUES(11,5,'ada',-1706041000,0,5);
INSERT INTO "posting" VALUES(12,5,'eve',1535436900,0,9);
INSERT INTO "posting" VALUES(13,5,'platform',170604100,0,10);
INSERT INTO "posting" VALUES(14,6,'ada',-500000000,0,11);
INSERT INTO "posting" VALUES(15,6,'ada/shopper',500000000,0,0);
INSERT INTO "posting" VALUES(16,7,'eve',-167950650,0,12);
INSERT INTO "posting" VALUES(17,7,'platform',16795065,0,13);
INSERT INTO "posting" VALUES(18,7,'bob',151155585,0,8);
INSERT INTO "posting" VALUES(19,8,'eve',-1000000000,1,16);
INSERT INTO "posting" VALUES(20,8,'escrow',1000000000,1,0);
INSERT INTO "posting" VALUES(21,9,'ada',-560,0,14);
INSERT INTO "posting" VALUES(22,9,'platform',56,0,17);
INSERT INTO "posting" VALUES(23,9,'bob',504,0,18);
INSERT INTO "posting" VALUES(24,10,'ada',-1000000000,1,21);
INSERT INTO "posting" VALUES(25,10,'escrow',1000000000,1,20);
INSERT INTO "posting" VALUES(26,11,'ada',-1000000000,1,24);
INSERT INTO "posting" VALUES(27,11,'escrow',1000000000,1,25);
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
INSERT INTO "price" VALUES('child',2,1119671000,0.0,0.0);
INSERT INTO "price" VALUES('child',3,1119671000,0.0,0.0);
INSERT INTO "price" VALUES('sort',3,1919946766,2.47370872570576948428e-04,4.5125000000000040079e-02);
INSERT INTO "price" VALUES('sum',3,1517745634,6.17161716171617095484e-04,9.50000000000000843769e-02);
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
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	listing VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	exam VARCHAR NOT NULL,
	skill VARCHAR NOT NULL,
	split VARCHAR NOT NULL,
	n_questions BIGINT NOT NULL,
	n_correct BIGINT NOT NULL,
	n_base_correct BIGINT NOT NULL,
	seed BIGINT,
	questions_digest VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	CONSTRAINT no_more_right_than_asked CHECK (n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions),
	CONSTRAINT one_receipt_per_exam UNIQUE (listing, number, exam, skill),
	FOREIGN KEY(listing, number) REFERENCES version (listing, number)
);
INSERT INTO "receipt" VALUES(1,'sort',1,'standard','sorting','test',100,80,30,NULL,'',1000007.0);
INSERT INTO "receipt" VALUES(2,'sum',1,'standard','sorting','test',100,80,30,NULL,'',1000008.0);
INSERT INTO "receipt" VALUES(3,'child',1,'standard','sort','test',100,80,40,NULL,'',1790000005.0);
INSERT INTO "receipt" VALUES(4,'sum',2,'standard','sorting','test',100,80,40,NULL,'',1790000006.0);
CREATE TABLE recheck (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	receipt BIGINT NOT NULL,
	"by" VARCHAR NOT NULL,
	n_questions BIGINT NOT NULL,
	n_correct BIGINT NOT NULL,
	n_base_correct BIGINT NOT NULL,
	passed BOOLEAN NOT NULL,
	binding BOOLEAN NOT NULL,
	seed BIGINT,
	at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	CONSTRAINT no_more_right_than_asked_again CHECK (n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions),
	FOREIGN KEY(receipt) REFERENCES receipt (id),
	FOREIGN KEY("by") REFERENCES account (name),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
INSERT INTO "recheck" VALUES(1,1,'platform',100,90,40,1,1,NULL,1790000002.0,'again');
CREATE TABLE rental (
	transfer_id BIGINT NOT NULL,
	renter VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	starts_at FLOAT NOT NULL,
	ends_at FLOAT NOT NULL,
	rate_nanos BIGINT NOT NULL,
	PRIMARY KEY (transfer_id),
	CONSTRAINT rental_lasts CHECK (ends_at > starts_at),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(renter) REFERENCES account (name),
	FOREIGN KEY(listing) REFERENCES listing (name)
);
INSERT INTO "rental" VALUES(7,'eve','child',1790000007.0,1790259207.0,55983550);
CREATE TABLE request (
	"key" VARCHAR NOT NULL,
	operation VARCHAR NOT NULL,
	body VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	body_hash VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY ("key")
);
INSERT INTO "request" VALUES('fund-ada','fund','{"account":"ada","amount_nanos":100000000000}',1000003.0,'66f76f8a500fddd1d618400d62c1681e009d4c0edb3fc822a52abdecd35cc1e8');
INSERT INTO "request" VALUES('fund-bob','fund','{"account":"bob","amount_nanos":5000000000}',1000005.0,'485346647d2315585551ef38949e9d3c828a1136a5693203d22987a5fd75133c');
INSERT INTO "request" VALUES('publish-sort','publish','{"ask_nanos":1000000000,"base_model":"tiny-llama","description":"","digest":"digest-of-sort","name":"sort","niche":"sorting","owner":"bob","receipt":{"n_base_correct":30,"n_correct":80,"n_questions":100,"skill":"sorting","split":"test"}}',1000007.0,'fa37f327993800511e1f2fd89282a5e862a7685754c02f4a4ef840d9890e9167');
INSERT INTO "request" VALUES('publish-sum','publish','{"ask_nanos":1000000000,"base_model":"tiny-llama","description":"","digest":"digest-of-sum","name":"sum","niche":"sorting","owner":"eve","receipt":{"n_base_correct":30,"n_correct":80,"n_questions":100,"skill":"sorting","split":"test"}}',1000008.0,'03046e59d217bb72656a552565ccacb91c5701d8fd57630ccb5abcc1225187f4');
INSERT INTO "request" VALUES('ada-sort','buy','{"buyer":"ada","listing":"sort"}',1000009.0,'aabce708d6390f421833ae8f9b6e8109b6145a907e3fa9b8a091fde8cc7eba82');
INSERT INTO "request" VALUES('bob-sum','buy','{"buyer":"bob","listing":"sum"}',1000011.0,'51b86b664a81013b4c12fb9232db1c003167cea13eaa7b84cad439999709092a');
INSERT INTO "request" VALUES('ada-sum','buy','{"buyer":"ada","listing":"sum"}',1000012.0,'37b22b42466250737e007de4489078ce64538d6c483f174436ccfb2ae74640b8');
INSERT INTO "request" VALUES('again','recheck','{"by":"platform","n_base_correct":40,"n_correct":90,"questions_digest":"","receipt":1}',1790000002.0,'df54030c11e044c9b87f5fa4effb098ec4bfaffc6321d2c2dd5ee3d3c0667141');
INSERT INTO "request" VALUES('mandate','open_mandate','{"cap_nanos":1000000000,"mandate":"ada/shopper","owner":"ada"}',1790000003.0,'2e72ba60f109bb8fd5ffc3e0c5257a1231e91af6f9a52a580c6f533371465156');
INSERT INTO "request" VALUES('mandate-money','mandate_fund','{"amount_nanos":500000000,"cap_nanos":1000000000,"mandate":"ada/shopper","owner":"ada"}',1790000004.0,'80f998421cf3f962ee3d72a74a196d6bfbb9ee057727828e1744c3f684698872');
INSERT INTO "request" VALUES('child','publish','{"ask_nanos":1000000000,"base_model":"tiny-llama","description":"","digest":"digest-of-child","licence":"MIT","manifest":"","name":"child","niche":"sort","owner":"bob","parents":[["digest-of-sort",1]],"receipts":[{"exam":"standard","n_base_correct":40,"n_correct":80,"n_questions":100,"questions_digest":"","seed":null,"skill":"sort","split":"test"}],"tags":["a"],"version_of":null}',1790000005.0,'93e2867e8fc2dded8d138fc0ad2c3b958b6bc5ba4722ea236de893b3c77d6010');
INSERT INTO "request" VALUES('sum-2','publish','{"ask_nanos":1000000000,"base_model":"tiny-llama","description":"","digest":"digest-of-sum-2","licence":"","manifest":"","name":"sum","niche":"sorting","owner":"eve","parents":[],"receipts":[{"exam":"standard","n_base_correct":40,"n_correct":80,"n_questions":100,"questions_digest":"","seed":null,"skill":"sorting","split":"test"}],"tags":[],"version_of":"sum"}',1790000006.0,'a2a6531df22e2e8124c017bbb21c26694e7088b19c758c32b302b0831b7f0ee3');
INSERT INTO "request" VALUES('rent','rent','{"days":3,"listing":"child","renter":"eve"}',1790000007.0,'6868dfde95c580d523ec0151f88aa3e70fac79fa3cc0351adda609be3c54b3a4');
INSERT INTO "request" VALUES('terms','terms','{"listing":"sort","owner":"bob","rent_day_parts":50000,"subscribable":true,"use_parts":200}',1790000008.0,'b79f451d4c5f62e1b1b51b998ec830cadc6cf30e44f3371c1160716445eefaef');
INSERT INTO "request" VALUES('review','review','{"listing":"sort","n_bad":1,"n_good":4,"reviewer":"ada","text":"sorts"}',1790000009.0,'78ca6feaafeb9051b4a16b92b9a0f8850656219a009c5eb317ce9f570773e0de');
INSERT INTO "request" VALUES('meter','meter','{"account":"eve","days":3,"limit_nanos":1000000000,"listing":"child"}',1790000010.0,'cc5916548f19c0e8485fa68129ac01fdec28e73d3847cb3f932184ef23ae41d6');
INSERT INTO "request" VALUES('bounty','bounty','{"base_model":"tiny-llama","days":5,"exam":"standard","min_accuracy_parts":500000,"min_questions":20,"reward_nanos":1000000000,"skill":"case","sponsor":"ada"}',1790000012.0,'41ad4f197dc72a2f128dc5ea5d4def27e13a4b7e3eed97f2dbae8bd7bbe3e4b3');
INSERT INTO "request" VALUES('sub','subscribe','{"account":"ada","days":30,"fee_nanos":1000000000}',1790000013.0,'3f437d159ccd8204d7117a427088c736dfb1bc2a68ccf75d4aebb87030c7b634');
INSERT INTO "request" VALUES('q','quarantine','{"by":"platform","listing":"child","reason":"looked at"}',1790000014.0,'eecd7744b72f47054cf16cdfb32d795238d80f5d160e3661ca28c68eb4c76604');
CREATE TABLE review (
	id INTEGER NOT NULL,
	reviewer VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	n_good BIGINT NOT NULL,
	n_bad BIGINT NOT NULL,
	text VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT review_counts CHECK (n_good >= 0 AND n_bad >= 0 AND n_good + n_bad > 0),
	FOREIGN KEY(reviewer) REFERENCES account (name),
	FOREIGN KEY(listing) REFERENCES listing (name),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
INSERT INTO "review" VALUES(1,'ada','sort','digest-of-sort',4,1,'sorts',1790000009.0,'review');
CREATE TABLE sale_return (
	sale_id BIGINT NOT NULL,
	refund_id BIGINT NOT NULL,
	reason VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (sale_id),
	FOREIGN KEY(sale_id) REFERENCES transfer (id),
	UNIQUE (refund_id),
	FOREIGN KEY(refund_id) REFERENCES transfer (id)
);
CREATE TABLE search_miss (
	account VARCHAR NOT NULL,
	skill VARCHAR NOT NULL,
	day BIGINT NOT NULL,
	PRIMARY KEY (account, skill, day),
	FOREIGN KEY(account) REFERENCES account (name)
);
CREATE TABLE settlement (
	transfer_id BIGINT NOT NULL,
	way VARCHAR NOT NULL,
	payer VARCHAR NOT NULL,
	principal VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	gross_nanos BIGINT NOT NULL,
	fee_nanos BIGINT NOT NULL,
	surplus_nanos BIGINT NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (transfer_id),
	CONSTRAINT somebody_paid CHECK (gross_nanos > 0),
	CONSTRAINT fee_is_a_tenth_rounded_up CHECK (fee_nanos = gross_nanos / 10 + CASE WHEN gross_nanos % 10 > 0 THEN 1 ELSE 0 END),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(payer) REFERENCES account (name),
	FOREIGN KEY(principal) REFERENCES account (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number)
);
INSERT INTO "settlement" VALUES(3,'sale','ada','ada',0,1706041000,170604100,0,1000009.0);
INSERT INTO "settlement" VALUES(4,'sale','bob','bob',1,1706041000,170604100,0,1000011.0);
INSERT INTO "settlement" VALUES(5,'sale','ada','ada',1,1706041000,170604100,0,1000012.0);
INSERT INTO "settlement" VALUES(7,'rent','eve','eve',2,167950650,16795065,0,1790000007.0);
INSERT INTO "settlement" VALUES(9,'usage','ada','ada',2,560,56,0,1790000011.0);
CREATE TABLE standing (
	listing VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	version BIGINT NOT NULL,
	reputation FLOAT NOT NULL,
	buyers FLOAT NOT NULL,
	measured_s FLOAT NOT NULL,
	measured_f FLOAT NOT NULL,
	rated_s FLOAT NOT NULL,
	rated_f FLOAT NOT NULL,
	inherited_s FLOAT NOT NULL,
	inherited_f FLOAT NOT NULL,
	n_raters BIGINT NOT NULL,
	PRIMARY KEY (listing, epoch),
	FOREIGN KEY(listing) REFERENCES listing (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number)
);
INSERT INTO "standing" VALUES('sort',3,1,7.4915095369339224085e-01,0.0,42.5,7.5,0.0,0.0,0.0,0.0,0);
INSERT INTO "standing" VALUES('sum',3,2,5.69628640411361186757e-01,0.0,8.0,2.0,0.0,0.0,2.0,0.5,0);
CREATE TABLE status_event (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	listing VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	status VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	"by" VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	"key" VARCHAR,
	FOREIGN KEY(listing, number) REFERENCES version (listing, number),
	FOREIGN KEY("by") REFERENCES account (name),
	FOREIGN KEY("key") REFERENCES request ("key")
);
INSERT INTO "status_event" VALUES(1,'child',1,'quarantined','looked at','platform',1790000014.0,'q');
CREATE TABLE subscription (
	hold_id BIGINT NOT NULL,
	account VARCHAR NOT NULL,
	principal VARCHAR NOT NULL,
	fee_nanos BIGINT NOT NULL,
	starts_at FLOAT NOT NULL,
	ends_at FLOAT NOT NULL,
	PRIMARY KEY (hold_id),
	FOREIGN KEY(hold_id) REFERENCES transfer (id),
	FOREIGN KEY(account) REFERENCES account (name),
	FOREIGN KEY(principal) REFERENCES account (name)
);
INSERT INTO "subscription" VALUES(11,'ada','ada',1000000000,1790000013.0,1792592013.0);
CREATE TABLE terms (
	id INTEGER NOT NULL,
	listing VARCHAR NOT NULL,
	rent_day_parts BIGINT NOT NULL,
	use_parts BIGINT NOT NULL,
	subscribable BOOLEAN NOT NULL,
	at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT terms_are_not_negative CHECK (rent_day_parts >= 0 AND use_parts >= 0),
	FOREIGN KEY(listing) REFERENCES listing (name),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
INSERT INTO "terms" VALUES(1,'sort',50000,200,1,1790000008.0,'terms');
CREATE TABLE transfer (
	id INTEGER NOT NULL,
	at FLOAT NOT NULL,
	kind VARCHAR NOT NULL,
	memo VARCHAR NOT NULL,
	"key" VARCHAR NOT NULL,
	group_key VARCHAR,
	refers_to BIGINT,
	expires_at FLOAT,
	body_hash VARCHAR DEFAULT '' NOT NULL,
	body VARCHAR,
	hash VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY (id),
	UNIQUE ("key"),
	FOREIGN KEY(refers_to) REFERENCES transfer (id)
);
INSERT INTO "transfer" VALUES(1,1000003.0,'fund','credits for ada','fund-ada',NULL,NULL,NULL,'',NULL,'34a4edf24dbdb0ea0d37d6274e1eb7371dabf83a74da7bbb79af2b9b9b03644c');
INSERT INTO "transfer" VALUES(2,1000005.0,'fund','credits for bob','fund-bob',NULL,NULL,NULL,'',NULL,'9cb52a3f6623b695bd08752d2e2fc6ff8415f642badd58da2d9e077b4fdd521d');
INSERT INTO "transfer" VALUES(3,1000009.0,'sale','ada buys sort','ada-sort',NULL,NULL,NULL,'',NULL,'1ccce3b7e77c9d1dab2e50ed833b7531e5b443cc9693e460d1bf8028ae12a035');
INSERT INTO "transfer" VALUES(4,1000011.0,'sale','bob buys sum','bob-sum',NULL,NULL,NULL,'',NULL,'1b1ef9cecbf62089fd947085dc7e96c796654d086b61835b5e01a80bf9eafb04');
INSERT INTO "transfer" VALUES(5,1000012.0,'sale','ada buys sum','ada-sum',NULL,NULL,NULL,'',NULL,'bafcde5091ac282a8bb240fdc86325a95d3e773f181c65264d376de79561bea3');
INSERT INTO "transfer" VALUES(6,1790000004.0,'mandate_fund','ada funds ada/shopper','mandate-money',NULL,NULL,NULL,'',NULL,'265401ae7e08108006d0f3cef3d4d072a9e6c15b5f3d737f457989ef898c192e');
INSERT INTO "transfer" VALUES(7,1790000007.0,'rent','eve rents child for 3 days','rent',NULL,NULL,NULL,'',NULL,'28bfaac9c95d5a0ed94369d71dc2539ed855fcd70d3f68ecc5f3021cd4dd21a8');
INSERT INTO "transfer" VALUES(8,1790000010.0,'hold','eve meters child','meter',NULL,NULL,1792851210.0,'',NULL,'1ec1fe6a25bfe43d7a89213183f3e1063a0334b6a7e88c9577ace243b1441d15');
INSERT INTO "transfer" VALUES(9,1790000011.0,'usage','ada uses 5 units of child','use',NULL,NULL,NULL,'f8665214fac552d2f7a8970052526fbd5cc7099e2abe589f53bb540034667418','{"account":"ada","listing":"child","units":5}','2e1a31cd71afd620a5ceca6bc5ef11b0a21ed6896e7e857126aff3110b3d7269');
INSERT INTO "transfer" VALUES(10,1790000012.0,'hold','ada wants case','bounty',NULL,NULL,1790432012.0,'',NULL,'c9b3b4b1fc2d0bff3f788b77f3dc622bd4eea8c8b1a78fd9b97120b413bd2db6');
INSERT INTO "transfer" VALUES(11,1790000013.0,'hold','ada subscribes for 30 days','sub',NULL,NULL,1795184013.0,'',NULL,'39cfd772dce0a22915214e3cc07032d0cedae2267aa92c10b5485c916a567873');
CREATE TABLE trial (
	hold_id BIGINT NOT NULL,
	buyer VARCHAR NOT NULL,
	principal VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	challenge_digest VARCHAR NOT NULL,
	n_questions BIGINT NOT NULL,
	min_gain BIGINT NOT NULL,
	price_nanos BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	ends_at FLOAT NOT NULL,
	PRIMARY KEY (hold_id),
	CONSTRAINT one_trial_per_buyer_and_listing UNIQUE (principal, listing),
	FOREIGN KEY(hold_id) REFERENCES transfer (id),
	FOREIGN KEY(buyer) REFERENCES account (name),
	FOREIGN KEY(principal) REFERENCES account (name),
	FOREIGN KEY(listing) REFERENCES listing (name)
);
CREATE TABLE trial_result (
	hold_id BIGINT NOT NULL,
	n_correct BIGINT NOT NULL,
	n_base_correct BIGINT NOT NULL,
	passed BOOLEAN NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (hold_id),
	FOREIGN KEY(hold_id) REFERENCES trial (hold_id)
);
CREATE TABLE usage (
	"key" VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	principal VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	units BIGINT NOT NULL,
	amount_nanos BIGINT NOT NULL,
	covered_by VARCHAR NOT NULL,
	cover_id BIGINT,
	at FLOAT NOT NULL,
	PRIMARY KEY ("key"),
	CONSTRAINT usage_is_positive CHECK (units > 0),
	CONSTRAINT usage_costs_nothing_or_something CHECK (amount_nanos >= 0),
	FOREIGN KEY(account) REFERENCES account (name),
	FOREIGN KEY(principal) REFERENCES account (name),
	FOREIGN KEY(listing) REFERENCES listing (name)
);
INSERT INTO "usage" VALUES('use','ada','ada','child',5,560,'charge',9,1790000011.0);
CREATE TABLE version (
	listing VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	digest VARCHAR NOT NULL,
	description VARCHAR NOT NULL,
	licence VARCHAR NOT NULL,
	tags VARCHAR NOT NULL,
	ask_nanos BIGINT NOT NULL,
	near_of VARCHAR,
	sketch BLOB NOT NULL,
	creator VARCHAR NOT NULL,
	release VARCHAR NOT NULL,
	published_at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (listing, number),
	CONSTRAINT ask_is_positive CHECK (ask_nanos > 0),
	FOREIGN KEY(listing) REFERENCES listing (name),
	UNIQUE (digest),
	FOREIGN KEY(near_of) REFERENCES listing (name),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
INSERT INTO "version" VALUES('sort',1,'digest-of-sort','','','',1000000000,NULL,X'','','',1000007.0,'publish-sort');
INSERT INTO "version" VALUES('sum',1,'digest-of-sum','','','',1000000000,NULL,X'','','',1000008.0,'publish-sum');
INSERT INTO "version" VALUES('child',1,'digest-of-child','','MIT','a',1000000000,NULL,X'','','',1790000005.0,'child');
INSERT INTO "version" VALUES('sum',2,'digest-of-sum-2','','','',1000000000,NULL,X'','','',1790000006.0,'sum-2');
CREATE TABLE version_parent (
	child VARCHAR NOT NULL,
	parent VARCHAR NOT NULL,
	weight BIGINT NOT NULL,
	PRIMARY KEY (child, parent),
	CONSTRAINT parent_contributed CHECK (weight > 0),
	FOREIGN KEY(child) REFERENCES version (digest),
	FOREIGN KEY(parent) REFERENCES version (digest)
);
INSERT INTO "version_parent" VALUES('digest-of-child','digest-of-sort',1);
CREATE TABLE vouching (
	number BIGINT NOT NULL,
	account VARCHAR NOT NULL,
	vouched BOOLEAN NOT NULL,
	at FLOAT NOT NULL,
	"key" VARCHAR NOT NULL,
	PRIMARY KEY (number),
	FOREIGN KEY(account) REFERENCES account (name),
	UNIQUE ("key"),
	FOREIGN KEY("key") REFERENCES request ("key")
);
CREATE INDEX ix_account_owner ON account (owner);
CREATE INDEX transfer_refers_to ON transfer (refers_to) WHERE refers_to IS NOT NULL;
CREATE UNIQUE INDEX transfer_resolves_hold_once ON transfer (refers_to) WHERE kind IN ('post', 'void', 'expire');
CREATE INDEX ix_account_key_account ON account_key (account);
CREATE INDEX ix_account_trust_epoch ON account_trust (epoch);
CREATE INDEX ix_bounty_skill ON bounty (skill);
CREATE INDEX ix_bundle_owner ON bundle (owner);
CREATE INDEX ix_compute_offer_owner ON compute_offer (owner);
CREATE INDEX ix_listing_owner ON listing (owner);
CREATE INDEX ix_open_hold_expires_at ON open_hold (expires_at);
CREATE INDEX ix_open_hold_payer ON open_hold (payer);
CREATE INDEX ix_posting_transfer_id ON posting (transfer_id);
CREATE INDEX ix_search_miss_day ON search_miss (day);
CREATE INDEX ix_settlement_epoch ON settlement (epoch);
CREATE INDEX settlement_by_principal ON settlement (principal);
CREATE INDEX settlement_by_time ON settlement (at);
CREATE INDEX ix_subscription_ends_at ON subscription (ends_at);
CREATE INDEX ix_subscription_principal ON subscription (principal);
CREATE INDEX ix_vouching_account ON vouching (account);
CREATE INDEX compute_use_by_offer ON compute_use (offer, epoch);
CREATE INDEX ix_meter_ends_at ON meter (ends_at);
CREATE INDEX meter_by_account ON meter (account, listing);
CREATE INDEX ix_price_epoch ON price (epoch);
CREATE INDEX ix_purchase_epoch ON purchase (epoch);
CREATE INDEX ix_purchase_listing ON purchase (listing);
CREATE INDEX rental_by_renter ON rental (renter, listing);
CREATE INDEX review_by_listing ON review (listing, reviewer);
CREATE INDEX ix_standing_epoch ON standing (epoch);
CREATE INDEX ix_terms_listing ON terms (listing);
CREATE INDEX ix_trial_listing ON trial (listing);
CREATE INDEX ix_usage_listing ON usage (listing);
CREATE INDEX usage_by_cover ON usage (cover_id);
CREATE INDEX usage_by_user ON usage (principal, listing);
CREATE INDEX ix_version_near_of ON version (near_of);
CREATE INDEX status_event_of ON status_event (listing, number);
CREATE INDEX version_parent_of ON version_parent (parent);
CREATE TRIGGER account_key_no_update BEFORE UPDATE ON account_key BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_key are never changed'); END;
CREATE TRIGGER account_key_no_delete BEFORE DELETE ON account_key BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_key are never changed'); END;
CREATE TRIGGER account_trust_no_update BEFORE UPDATE ON account_trust BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_trust are never changed'); END;
CREATE TRIGGER account_trust_no_delete BEFORE DELETE ON account_trust BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_trust are never changed'); END;
CREATE TRIGGER bounty_no_update BEFORE UPDATE ON bounty BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty are never changed'); END;
CREATE TRIGGER bounty_no_delete BEFORE DELETE ON bounty BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty are never changed'); END;
CREATE TRIGGER bounty_award_no_update BEFORE UPDATE ON bounty_award BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty_award are never changed'); END;
CREATE TRIGGER bounty_award_no_delete BEFORE DELETE ON bounty_award BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty_award are never changed'); END;
CREATE TRIGGER bundle_no_update BEFORE UPDATE ON bundle BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle are never changed'); END;
CREATE TRIGGER bundle_no_delete BEFORE DELETE ON bundle BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle are never changed'); END;
CREATE TRIGGER bundle_part_no_update BEFORE UPDATE ON bundle_part BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle_part are never changed'); END;
CREATE TRIGGER bundle_part_no_delete BEFORE DELETE ON bundle_part BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle_part are never changed'); END;
CREATE TRIGGER compute_offer_no_update BEFORE UPDATE ON compute_offer BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_offer are never changed'); END;
CREATE TRIGGER compute_offer_no_delete BEFORE DELETE ON compute_offer BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_offer are never changed'); END;
CREATE TRIGGER compute_use_no_update BEFORE UPDATE ON compute_use BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_use are never changed'); END;
CREATE TRIGGER compute_use_no_delete BEFORE DELETE ON compute_use BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_use are never changed'); END;
CREATE TRIGGER epoch_no_update BEFORE UPDATE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END;
CREATE TRIGGER epoch_no_delete BEFORE DELETE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END;
CREATE TRIGGER evaluator_no_update BEFORE UPDATE ON evaluator BEGIN SELECT RAISE(ABORT, 'append-only: rows of evaluator are never changed'); END;
CREATE TRIGGER evaluator_no_delete BEFORE DELETE ON evaluator BEGIN SELECT RAISE(ABORT, 'append-only: rows of evaluator are never changed'); END;
CREATE TRIGGER key_revocation_no_update BEFORE UPDATE ON key_revocation BEGIN SELECT RAISE(ABORT, 'append-only: rows of key_revocation are never changed'); END;
CREATE TRIGGER key_revocation_no_delete BEFORE DELETE ON key_revocation BEGIN SELECT RAISE(ABORT, 'append-only: rows of key_revocation are never changed'); END;
CREATE TRIGGER listing_no_update BEFORE UPDATE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END;
CREATE TRIGGER listing_no_delete BEFORE DELETE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END;
CREATE TRIGGER meter_no_update BEFORE UPDATE ON meter BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter are never changed'); END;
CREATE TRIGGER meter_no_delete BEFORE DELETE ON meter BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter are never changed'); END;
CREATE TRIGGER meter_reading_no_update BEFORE UPDATE ON meter_reading BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter_reading are never changed'); END;
CREATE TRIGGER meter_reading_no_delete BEFORE DELETE ON meter_reading BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter_reading are never changed'); END;
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END;
CREATE TRIGGER price_no_update BEFORE UPDATE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END;
CREATE TRIGGER price_no_delete BEFORE DELETE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END;
CREATE TRIGGER purchase_no_update BEFORE UPDATE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END;
CREATE TRIGGER purchase_no_delete BEFORE DELETE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END;
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END;
CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END;
CREATE TRIGGER rental_no_update BEFORE UPDATE ON rental BEGIN SELECT RAISE(ABORT, 'append-only: rows of rental are never changed'); END;
CREATE TRIGGER rental_no_delete BEFORE DELETE ON rental BEGIN SELECT RAISE(ABORT, 'append-only: rows of rental are never changed'); END;
CREATE TRIGGER request_no_update BEFORE UPDATE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END;
CREATE TRIGGER request_no_delete BEFORE DELETE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END;
CREATE TRIGGER review_no_update BEFORE UPDATE ON review BEGIN SELECT RAISE(ABORT, 'append-only: rows of review are never changed'); END;
CREATE TRIGGER review_no_delete BEFORE DELETE ON review BEGIN SELECT RAISE(ABORT, 'append-only: rows of review are never changed'); END;
CREATE TRIGGER sale_return_no_update BEFORE UPDATE ON sale_return BEGIN SELECT RAISE(ABORT, 'append-only: rows of sale_return are never changed'); END;
CREATE TRIGGER sale_return_no_delete BEFORE DELETE ON sale_return BEGIN SELECT RAISE(ABORT, 'append-only: rows of sale_return are never changed'); END;
CREATE TRIGGER search_miss_no_update BEFORE UPDATE ON search_miss BEGIN SELECT RAISE(ABORT, 'append-only: rows of search_miss are never changed'); END;
CREATE TRIGGER search_miss_no_delete BEFORE DELETE ON search_miss BEGIN SELECT RAISE(ABORT, 'append-only: rows of search_miss are never changed'); END;
CREATE TRIGGER settlement_no_update BEFORE UPDATE ON settlement BEGIN SELECT RAISE(ABORT, 'append-only: rows of settlement are never changed'); END;
CREATE TRIGGER settlement_no_delete BEFORE DELETE ON settlement BEGIN SELECT RAISE(ABORT, 'append-only: rows of settlement are never changed'); END;
CREATE TRIGGER standing_no_update BEFORE UPDATE ON standing BEGIN SELECT RAISE(ABORT, 'append-only: rows of standing are never changed'); END;
CREATE TRIGGER standing_no_delete BEFORE DELETE ON standing BEGIN SELECT RAISE(ABORT, 'append-only: rows of standing are never changed'); END;
CREATE TRIGGER status_event_no_update BEFORE UPDATE ON status_event BEGIN SELECT RAISE(ABORT, 'append-only: rows of status_event are never changed'); END;
CREATE TRIGGER status_event_no_delete BEFORE DELETE ON status_event BEGIN SELECT RAISE(ABORT, 'append-only: rows of status_event are never changed'); END;
CREATE TRIGGER subscription_no_update BEFORE UPDATE ON subscription BEGIN SELECT RAISE(ABORT, 'append-only: rows of subscription are never changed'); END;
CREATE TRIGGER subscription_no_delete BEFORE DELETE ON subscription BEGIN SELECT RAISE(ABORT, 'append-only: rows of subscription are never changed'); END;
CREATE TRIGGER terms_no_update BEFORE UPDATE ON terms BEGIN SELECT RAISE(ABORT, 'append-only: rows of terms are never changed'); END;
CREATE TRIGGER terms_no_delete BEFORE DELETE ON terms BEGIN SELECT RAISE(ABORT, 'append-only: rows of terms are never changed'); END;
CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END;
CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END;
CREATE TRIGGER trial_no_update BEFORE UPDATE ON trial BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial are never changed'); END;
CREATE TRIGGER trial_no_delete BEFORE DELETE ON trial BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial are never changed'); END;
CREATE TRIGGER trial_result_no_update BEFORE UPDATE ON trial_result BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial_result are never changed'); END;
CREATE TRIGGER trial_result_no_delete BEFORE DELETE ON trial_result BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial_result are never changed'); END;
CREATE TRIGGER usage_no_update BEFORE UPDATE ON usage BEGIN SELECT RAISE(ABORT, 'append-only: rows of usage are never changed'); END;
CREATE TRIGGER usage_no_delete BEFORE DELETE ON usage BEGIN SELECT RAISE(ABORT, 'append-only: rows of usage are never changed'); END;
CREATE TRIGGER version_no_update BEFORE UPDATE ON version BEGIN SELECT RAISE(ABORT, 'append-only: rows of version are never changed'); END;
CREATE TRIGGER version_no_delete BEFORE DELETE ON version BEGIN SELECT RAISE(ABORT, 'append-only: rows of version are never changed'); END;
CREATE TRIGGER version_parent_no_update BEFORE UPDATE ON version_parent BEGIN SELECT RAISE(ABORT, 'append-only: rows of version_parent are never changed'); END;
CREATE TRIGGER version_parent_no_delete BEFORE DELETE ON version_parent BEGIN SELECT RAISE(ABORT, 'append-only: rows of version_parent are never changed'); END;
CREATE TRIGGER vouching_no_update BEFORE UPDATE ON vouching BEGIN SELECT RAISE(ABORT, 'append-only: rows of vouching are never changed'); END;
CREATE TRIGGER vouching_no_delete BEFORE DELETE ON vouching BEGIN SELECT RAISE(ABORT, 'append-only: rows of vouching are never changed'); END;
CREATE TRIGGER account_no_delete BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'append-only: of account only balance_nanos, held_nanos, spent_nanos, last_posting_id may change'); END;
CREATE TRIGGER account_no_update BEFORE UPDATE OF name, overdraft, opened_at, cap_nanos, owner ON account BEGIN SELECT RAISE(ABORT, 'append-only: of account only balance_nanos, held_nanos, spent_nanos, last_posting_id may change'); END;
CREATE TRIGGER account_key_no_replace BEFORE INSERT ON account_key WHEN EXISTS (SELECT 1 FROM account_key WHERE public_key = NEW.public_key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_key are never changed'); END;
CREATE TRIGGER account_trust_no_replace BEFORE INSERT ON account_trust WHEN EXISTS (SELECT 1 FROM account_trust WHERE account = NEW.account AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_trust are never changed'); END;
CREATE TRIGGER bounty_no_replace BEFORE INSERT ON bounty WHEN EXISTS (SELECT 1 FROM bounty WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty are never changed'); END;
CREATE TRIGGER bounty_award_no_replace BEFORE INSERT ON bounty_award WHEN EXISTS (SELECT 1 FROM bounty_award WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty_award are never changed'); END;
CREATE TRIGGER bundle_no_replace BEFORE INSERT ON bundle WHEN EXISTS (SELECT 1 FROM bundle WHERE name = NEW.name) OR EXISTS (SELECT 1 FROM bundle WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle are never changed'); END;
CREATE TRIGGER bundle_part_no_replace BEFORE INSERT ON bundle_part WHEN EXISTS (SELECT 1 FROM bundle_part WHERE bundle = NEW.bundle AND listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle_part are never changed'); END;
CREATE TRIGGER compute_offer_no_replace BEFORE INSERT ON compute_offer WHEN EXISTS (SELECT 1 FROM compute_offer WHERE name = NEW.name) OR EXISTS (SELECT 1 FROM compute_offer WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_offer are never changed'); END;
CREATE TRIGGER compute_use_no_replace BEFORE INSERT ON compute_use WHEN EXISTS (SELECT 1 FROM compute_use WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_use are never changed'); END;
CREATE TRIGGER epoch_no_replace BEFORE INSERT ON epoch WHEN EXISTS (SELECT 1 FROM epoch WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END;
CREATE TRIGGER evaluator_no_replace BEFORE INSERT ON evaluator WHEN EXISTS (SELECT 1 FROM evaluator WHERE account = NEW.account) BEGIN SELECT RAISE(ABORT, 'append-only: rows of evaluator are never changed'); END;
CREATE TRIGGER key_revocation_no_replace BEFORE INSERT ON key_revocation WHEN EXISTS (SELECT 1 FROM key_revocation WHERE public_key = NEW.public_key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of key_revocation are never changed'); END;
CREATE TRIGGER listing_no_replace BEFORE INSERT ON listing WHEN EXISTS (SELECT 1 FROM listing WHERE name = NEW.name) OR EXISTS (SELECT 1 FROM listing WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END;
CREATE TRIGGER meter_no_replace BEFORE INSERT ON meter WHEN EXISTS (SELECT 1 FROM meter WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter are never changed'); END;
CREATE TRIGGER meter_reading_no_replace BEFORE INSERT ON meter_reading WHEN EXISTS (SELECT 1 FROM meter_reading WHERE key = NEW.key) OR EXISTS (SELECT 1 FROM meter_reading WHERE hold_id = NEW.hold_id AND n_units = NEW.n_units) BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter_reading are never changed'); END;
CREATE TRIGGER price_no_replace BEFORE INSERT ON price WHEN EXISTS (SELECT 1 FROM price WHERE listing = NEW.listing AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END;
CREATE TRIGGER purchase_no_replace BEFORE INSERT ON purchase WHEN EXISTS (SELECT 1 FROM purchase WHERE transfer_id = NEW.transfer_id) OR EXISTS (SELECT 1 FROM purchase WHERE buyer = NEW.buyer AND listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END;
CREATE TRIGGER receipt_no_replace BEFORE INSERT ON receipt WHEN EXISTS (SELECT 1 FROM receipt WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM receipt WHERE listing = NEW.listing AND number = NEW.number AND exam = NEW.exam AND skill = NEW.skill) BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END;
CREATE TRIGGER rental_no_replace BEFORE INSERT ON rental WHEN EXISTS (SELECT 1 FROM rental WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of rental are never changed'); END;
CREATE TRIGGER request_no_replace BEFORE INSERT ON request WHEN EXISTS (SELECT 1 FROM request WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END;
CREATE TRIGGER review_no_replace BEFORE INSERT ON review WHEN EXISTS (SELECT 1 FROM review WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM review WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of review are never changed'); END;
CREATE TRIGGER sale_return_no_replace BEFORE INSERT ON sale_return WHEN EXISTS (SELECT 1 FROM sale_return WHERE sale_id = NEW.sale_id) OR EXISTS (SELECT 1 FROM sale_return WHERE refund_id = NEW.refund_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of sale_return are never changed'); END;
CREATE TRIGGER search_miss_no_replace BEFORE INSERT ON search_miss WHEN EXISTS (SELECT 1 FROM search_miss WHERE account = NEW.account AND skill = NEW.skill AND day = NEW.day) BEGIN SELECT RAISE(ABORT, 'append-only: rows of search_miss are never changed'); END;
CREATE TRIGGER settlement_no_replace BEFORE INSERT ON settlement WHEN EXISTS (SELECT 1 FROM settlement WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of settlement are never changed'); END;
CREATE TRIGGER standing_no_replace BEFORE INSERT ON standing WHEN EXISTS (SELECT 1 FROM standing WHERE listing = NEW.listing AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of standing are never changed'); END;
CREATE TRIGGER status_event_no_replace BEFORE INSERT ON status_event WHEN EXISTS (SELECT 1 FROM status_event WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of status_event are never changed'); END;
CREATE TRIGGER subscription_no_replace BEFORE INSERT ON subscription WHEN EXISTS (SELECT 1 FROM subscription WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of subscription are never changed'); END;
CREATE TRIGGER terms_no_replace BEFORE INSERT ON terms WHEN EXISTS (SELECT 1 FROM terms WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM terms WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of terms are never changed'); END;
CREATE TRIGGER transfer_no_replace BEFORE INSERT ON transfer WHEN EXISTS (SELECT 1 FROM transfer WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM transfer WHERE key = NEW.key) OR EXISTS (SELECT 1 FROM transfer WHERE refers_to = NEW.refers_to AND (kind IN ('post', 'void', 'expire'))) AND EXISTS (SELECT 1 FROM (SELECT NEW.id AS id, NEW.at AS at, NEW.kind AS kind, NEW.memo AS memo, NEW.key AS key, NEW.group_key AS group_key, NEW.refers_to AS refers_to, NEW.expires_at AS expires_at, NEW.body_hash AS body_hash, NEW.body AS body, NEW.hash AS hash) WHERE kind IN ('post', 'void', 'expire')) BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END;
CREATE TRIGGER trial_no_replace BEFORE INSERT ON trial WHEN EXISTS (SELECT 1 FROM trial WHERE hold_id = NEW.hold_id) OR EXISTS (SELECT 1 FROM trial WHERE principal = NEW.principal AND listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial are never changed'); END;
CREATE TRIGGER trial_result_no_replace BEFORE INSERT ON trial_result WHEN EXISTS (SELECT 1 FROM trial_result WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial_result are never changed'); END;
CREATE TRIGGER usage_no_replace BEFORE INSERT ON usage WHEN EXISTS (SELECT 1 FROM usage WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of usage are never changed'); END;
CREATE TRIGGER version_no_replace BEFORE INSERT ON version WHEN EXISTS (SELECT 1 FROM version WHERE listing = NEW.listing AND number = NEW.number) OR EXISTS (SELECT 1 FROM version WHERE digest = NEW.digest) OR EXISTS (SELECT 1 FROM version WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of version are never changed'); END;
CREATE TRIGGER version_parent_no_replace BEFORE INSERT ON version_parent WHEN EXISTS (SELECT 1 FROM version_parent WHERE child = NEW.child AND parent = NEW.parent) BEGIN SELECT RAISE(ABORT, 'append-only: rows of version_parent are never changed'); END;
CREATE TRIGGER vouching_no_replace BEFORE INSERT ON vouching WHEN EXISTS (SELECT 1 FROM vouching WHERE number = NEW.number) OR EXISTS (SELECT 1 FROM vouching WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of vouching are never changed'); END;
CREATE TRIGGER account_no_replace BEFORE INSERT ON account WHEN EXISTS (SELECT 1 FROM account WHERE name = NEW.name) BEGIN SELECT RAISE(ABORT, 'append-only: rows of account are never changed'); END;
CREATE INDEX ix_recheck_receipt ON recheck (receipt);
CREATE TRIGGER recheck_no_update BEFORE UPDATE ON recheck BEGIN SELECT RAISE(ABORT, 'append-only: rows of recheck are never changed'); END;
CREATE TRIGGER recheck_no_delete BEFORE DELETE ON recheck BEGIN SELECT RAISE(ABORT, 'append-only: rows of recheck are never changed'); END;
CREATE TRIGGER recheck_no_replace BEFORE INSERT ON recheck WHEN EXISTS (SELECT 1 FROM recheck WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM recheck WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of recheck are never changed'); END;
CREATE INDEX income_by_account ON income (account, transfer_id);
CREATE INDEX ix_income_source ON income (source);
CREATE TRIGGER income_no_update BEFORE UPDATE ON income BEGIN SELECT RAISE(ABORT, 'append-only: rows of income are never changed'); END;
CREATE TRIGGER income_no_delete BEFORE DELETE ON income BEGIN SELECT RAISE(ABORT, 'append-only: rows of income are never changed'); END;
CREATE TRIGGER income_no_replace BEFORE INSERT ON income WHEN EXISTS (SELECT 1 FROM income WHERE transfer_id = NEW.transfer_id AND source = NEW.source AND account = NEW.account AND role = NEW.role) BEGIN SELECT RAISE(ABORT, 'append-only: rows of income are never changed'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('receipt',4);
INSERT INTO "sqlite_sequence" VALUES('recheck',1);
INSERT INTO "sqlite_sequence" VALUES('status_event',1);
COMMIT;
