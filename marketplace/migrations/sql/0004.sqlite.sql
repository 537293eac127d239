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
)

CREATE INDEX ix_account_owner ON account (owner)

CREATE TABLE epoch (
	number BIGINT NOT NULL,
	opened_at FLOAT NOT NULL,
	PRIMARY KEY (number)
)

CREATE TABLE event (
	number INTEGER NOT NULL,
	changes VARCHAR NOT NULL,
	hash VARCHAR NOT NULL,
	PRIMARY KEY (number)
)

CREATE TABLE request (
	"key" VARCHAR NOT NULL,
	operation VARCHAR NOT NULL,
	body VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	body_hash VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY ("key")
)

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
)

CREATE INDEX transfer_refers_to ON transfer (refers_to) WHERE refers_to IS NOT NULL

CREATE UNIQUE INDEX transfer_resolves_hold_once ON transfer (refers_to) WHERE kind IN ('post', 'void', 'expire')

CREATE TABLE account_key (
	public_key VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	added_at FLOAT NOT NULL,
	PRIMARY KEY (public_key),
	FOREIGN KEY(account) REFERENCES account (name)
)

CREATE INDEX ix_account_key_account ON account_key (account)

CREATE TABLE account_trust (
	account VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	trust FLOAT NOT NULL,
	PRIMARY KEY (account, epoch),
	FOREIGN KEY(account) REFERENCES account (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number)
)

CREATE INDEX ix_account_trust_epoch ON account_trust (epoch)

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
)

CREATE INDEX ix_bounty_skill ON bounty (skill)

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
)

CREATE INDEX ix_bundle_owner ON bundle (owner)

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
)

CREATE INDEX ix_compute_offer_owner ON compute_offer (owner)

CREATE TABLE debt (
	transfer_id BIGINT NOT NULL,
	debtor VARCHAR NOT NULL,
	creditor VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	amount_nanos BIGINT NOT NULL,
	reason VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (transfer_id, debtor),
	CONSTRAINT something_is_owed CHECK (amount_nanos > 0),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(debtor) REFERENCES account (name),
	FOREIGN KEY(creditor) REFERENCES account (name)
)

CREATE INDEX ix_debt_debtor ON debt (debtor)

CREATE TABLE evaluator (
	account VARCHAR NOT NULL,
	appointed_at FLOAT NOT NULL,
	PRIMARY KEY (account),
	FOREIGN KEY(account) REFERENCES account (name)
)

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
)

CREATE INDEX ix_listing_owner ON listing (owner)

CREATE TABLE open_hold (
	transfer_id BIGINT NOT NULL,
	payer VARCHAR NOT NULL,
	amount_nanos BIGINT NOT NULL,
	expires_at FLOAT NOT NULL,
	PRIMARY KEY (transfer_id),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(payer) REFERENCES account (name)
)

CREATE INDEX ix_open_hold_expires_at ON open_hold (expires_at)

CREATE INDEX ix_open_hold_payer ON open_hold (payer)

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
)

CREATE INDEX ix_posting_transfer_id ON posting (transfer_id)

CREATE TABLE sale_return (
	sale_id BIGINT NOT NULL,
	refund_id BIGINT NOT NULL,
	reason VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (sale_id),
	FOREIGN KEY(sale_id) REFERENCES transfer (id),
	UNIQUE (refund_id),
	FOREIGN KEY(refund_id) REFERENCES transfer (id)
)

CREATE TABLE search_miss (
	account VARCHAR NOT NULL,
	skill VARCHAR NOT NULL,
	day BIGINT NOT NULL,
	PRIMARY KEY (account, skill, day),
	FOREIGN KEY(account) REFERENCES account (name)
)

CREATE INDEX ix_search_miss_day ON search_miss (day)

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
)

CREATE INDEX ix_settlement_epoch ON settlement (epoch)

CREATE INDEX settlement_by_principal ON settlement (principal)

CREATE INDEX settlement_by_time ON settlement (at)

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
)

CREATE INDEX ix_subscription_ends_at ON subscription (ends_at)

CREATE INDEX ix_subscription_principal ON subscription (principal)

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
)

CREATE INDEX ix_vouching_account ON vouching (account)

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
)

CREATE TABLE bundle_part (
	bundle VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	PRIMARY KEY (bundle, listing),
	FOREIGN KEY(bundle) REFERENCES bundle (name),
	FOREIGN KEY(listing) REFERENCES listing (name)
)

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
)

CREATE INDEX compute_use_by_offer ON compute_use (offer, epoch)

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
)

CREATE INDEX income_by_account ON income (account, transfer_id)

CREATE INDEX ix_income_source ON income (source)

CREATE TABLE key_revocation (
	public_key VARCHAR NOT NULL,
	revoked_at FLOAT NOT NULL,
	PRIMARY KEY (public_key),
	FOREIGN KEY(public_key) REFERENCES account_key (public_key)
)

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
)

CREATE INDEX ix_meter_ends_at ON meter (ends_at)

CREATE INDEX meter_by_account ON meter (account, listing)

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
)

CREATE INDEX rental_by_renter ON rental (renter, listing)

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
)

CREATE INDEX review_by_listing ON review (listing, reviewer)

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
)

CREATE INDEX ix_standing_epoch ON standing (epoch)

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
)

CREATE INDEX ix_terms_listing ON terms (listing)

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
)

CREATE INDEX ix_trial_listing ON trial (listing)

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
)

CREATE INDEX ix_usage_listing ON usage (listing)

CREATE INDEX usage_by_cover ON usage (cover_id)

CREATE INDEX usage_by_user ON usage (principal, listing)

CREATE TABLE version (
	listing VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	digest VARCHAR NOT NULL,
	description VARCHAR NOT NULL,
	licence VARCHAR NOT NULL,
	tags VARCHAR NOT NULL,
	ask_nanos BIGINT NOT NULL,
	near_of VARCHAR,
	is_repeat BOOLEAN DEFAULT 1 NOT NULL,
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
)

CREATE INDEX ix_version_near_of ON version (near_of)

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
)

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
	layer VARCHAR DEFAULT '' NOT NULL,
	base_model VARCHAR DEFAULT '' NOT NULL,
	prompt VARCHAR DEFAULT '' NOT NULL,
	rule VARCHAR DEFAULT '' NOT NULL,
	n_ancestor_correct BIGINT,
	at FLOAT NOT NULL,
	CONSTRAINT no_more_right_than_asked CHECK (n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions),
	CONSTRAINT one_receipt_per_exam UNIQUE (listing, number, exam, skill),
	FOREIGN KEY(listing, number) REFERENCES version (listing, number)
)

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
)

CREATE INDEX status_event_of ON status_event (listing, number)

CREATE TABLE trial_result (
	hold_id BIGINT NOT NULL,
	n_correct BIGINT NOT NULL,
	n_base_correct BIGINT NOT NULL,
	passed BOOLEAN NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (hold_id),
	FOREIGN KEY(hold_id) REFERENCES trial (hold_id)
)

CREATE TABLE version_parent (
	child VARCHAR NOT NULL,
	parent VARCHAR NOT NULL,
	weight BIGINT NOT NULL,
	PRIMARY KEY (child, parent),
	CONSTRAINT parent_contributed CHECK (weight > 0),
	FOREIGN KEY(child) REFERENCES version (digest),
	FOREIGN KEY(parent) REFERENCES version (digest)
)

CREATE INDEX version_parent_of ON version_parent (parent)

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
)

CREATE INDEX ix_recheck_receipt ON recheck (receipt)

-- protection: applied when the rows are in place

CREATE TRIGGER account_key_no_update BEFORE UPDATE ON account_key BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_key are never changed'); END

CREATE TRIGGER account_key_no_delete BEFORE DELETE ON account_key BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_key are never changed'); END

CREATE TRIGGER account_trust_no_update BEFORE UPDATE ON account_trust BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_trust are never changed'); END

CREATE TRIGGER account_trust_no_delete BEFORE DELETE ON account_trust BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_trust are never changed'); END

CREATE TRIGGER bounty_no_update BEFORE UPDATE ON bounty BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty are never changed'); END

CREATE TRIGGER bounty_no_delete BEFORE DELETE ON bounty BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty are never changed'); END

CREATE TRIGGER bounty_award_no_update BEFORE UPDATE ON bounty_award BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty_award are never changed'); END

CREATE TRIGGER bounty_award_no_delete BEFORE DELETE ON bounty_award BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty_award are never changed'); END

CREATE TRIGGER bundle_no_update BEFORE UPDATE ON bundle BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle are never changed'); END

CREATE TRIGGER bundle_no_delete BEFORE DELETE ON bundle BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle are never changed'); END

CREATE TRIGGER bundle_part_no_update BEFORE UPDATE ON bundle_part BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle_part are never changed'); END

CREATE TRIGGER bundle_part_no_delete BEFORE DELETE ON bundle_part BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle_part are never changed'); END

CREATE TRIGGER compute_offer_no_update BEFORE UPDATE ON compute_offer BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_offer are never changed'); END

CREATE TRIGGER compute_offer_no_delete BEFORE DELETE ON compute_offer BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_offer are never changed'); END

CREATE TRIGGER compute_use_no_update BEFORE UPDATE ON compute_use BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_use are never changed'); END

CREATE TRIGGER compute_use_no_delete BEFORE DELETE ON compute_use BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_use are never changed'); END

CREATE TRIGGER debt_no_update BEFORE UPDATE ON debt BEGIN SELECT RAISE(ABORT, 'append-only: rows of debt are never changed'); END

CREATE TRIGGER debt_no_delete BEFORE DELETE ON debt BEGIN SELECT RAISE(ABORT, 'append-only: rows of debt are never changed'); END

CREATE TRIGGER epoch_no_update BEFORE UPDATE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END

CREATE TRIGGER epoch_no_delete BEFORE DELETE ON epoch BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END

CREATE TRIGGER evaluator_no_update BEFORE UPDATE ON evaluator BEGIN SELECT RAISE(ABORT, 'append-only: rows of evaluator are never changed'); END

CREATE TRIGGER evaluator_no_delete BEFORE DELETE ON evaluator BEGIN SELECT RAISE(ABORT, 'append-only: rows of evaluator are never changed'); END

CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'append-only: rows of event are never changed'); END

CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'append-only: rows of event are never changed'); END

CREATE TRIGGER income_no_update BEFORE UPDATE ON income BEGIN SELECT RAISE(ABORT, 'append-only: rows of income are never changed'); END

CREATE TRIGGER income_no_delete BEFORE DELETE ON income BEGIN SELECT RAISE(ABORT, 'append-only: rows of income are never changed'); END

CREATE TRIGGER key_revocation_no_update BEFORE UPDATE ON key_revocation BEGIN SELECT RAISE(ABORT, 'append-only: rows of key_revocation are never changed'); END

CREATE TRIGGER key_revocation_no_delete BEFORE DELETE ON key_revocation BEGIN SELECT RAISE(ABORT, 'append-only: rows of key_revocation are never changed'); END

CREATE TRIGGER listing_no_update BEFORE UPDATE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END

CREATE TRIGGER listing_no_delete BEFORE DELETE ON listing BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END

CREATE TRIGGER meter_no_update BEFORE UPDATE ON meter BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter are never changed'); END

CREATE TRIGGER meter_no_delete BEFORE DELETE ON meter BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter are never changed'); END

CREATE TRIGGER meter_reading_no_update BEFORE UPDATE ON meter_reading BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter_reading are never changed'); END

CREATE TRIGGER meter_reading_no_delete BEFORE DELETE ON meter_reading BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter_reading are never changed'); END

CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END

CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'append-only: rows of posting are never changed'); END

CREATE TRIGGER price_no_update BEFORE UPDATE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END

CREATE TRIGGER price_no_delete BEFORE DELETE ON price BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END

CREATE TRIGGER purchase_no_update BEFORE UPDATE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END

CREATE TRIGGER purchase_no_delete BEFORE DELETE ON purchase BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END

CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END

CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END

CREATE TRIGGER recheck_no_update BEFORE UPDATE ON recheck BEGIN SELECT RAISE(ABORT, 'append-only: rows of recheck are never changed'); END

CREATE TRIGGER recheck_no_delete BEFORE DELETE ON recheck BEGIN SELECT RAISE(ABORT, 'append-only: rows of recheck are never changed'); END

CREATE TRIGGER rental_no_update BEFORE UPDATE ON rental BEGIN SELECT RAISE(ABORT, 'append-only: rows of rental are never changed'); END

CREATE TRIGGER rental_no_delete BEFORE DELETE ON rental BEGIN SELECT RAISE(ABORT, 'append-only: rows of rental are never changed'); END

CREATE TRIGGER request_no_update BEFORE UPDATE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END

CREATE TRIGGER request_no_delete BEFORE DELETE ON request BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END

CREATE TRIGGER review_no_update BEFORE UPDATE ON review BEGIN SELECT RAISE(ABORT, 'append-only: rows of review are never changed'); END

CREATE TRIGGER review_no_delete BEFORE DELETE ON review BEGIN SELECT RAISE(ABORT, 'append-only: rows of review are never changed'); END

CREATE TRIGGER sale_return_no_update BEFORE UPDATE ON sale_return BEGIN SELECT RAISE(ABORT, 'append-only: rows of sale_return are never changed'); END

CREATE TRIGGER sale_return_no_delete BEFORE DELETE ON sale_return BEGIN SELECT RAISE(ABORT, 'append-only: rows of sale_return are never changed'); END

CREATE TRIGGER search_miss_no_update BEFORE UPDATE ON search_miss BEGIN SELECT RAISE(ABORT, 'append-only: rows of search_miss are never changed'); END

CREATE TRIGGER search_miss_no_delete BEFORE DELETE ON search_miss BEGIN SELECT RAISE(ABORT, 'append-only: rows of search_miss are never changed'); END

CREATE TRIGGER settlement_no_update BEFORE UPDATE ON settlement BEGIN SELECT RAISE(ABORT, 'append-only: rows of settlement are never changed'); END

CREATE TRIGGER settlement_no_delete BEFORE DELETE ON settlement BEGIN SELECT RAISE(ABORT, 'append-only: rows of settlement are never changed'); END

CREATE TRIGGER standing_no_update BEFORE UPDATE ON standing BEGIN SELECT RAISE(ABORT, 'append-only: rows of standing are never changed'); END

CREATE TRIGGER standing_no_delete BEFORE DELETE ON standing BEGIN SELECT RAISE(ABORT, 'append-only: rows of standing are never changed'); END

CREATE TRIGGER status_event_no_update BEFORE UPDATE ON status_event BEGIN SELECT RAISE(ABORT, 'append-only: rows of status_event are never changed'); END

CREATE TRIGGER status_event_no_delete BEFORE DELETE ON status_event BEGIN SELECT RAISE(ABORT, 'append-only: rows of status_event are never changed'); END

CREATE TRIGGER subscription_no_update BEFORE UPDATE ON subscription BEGIN SELECT RAISE(ABORT, 'append-only: rows of subscription are never changed'); END

CREATE TRIGGER subscription_no_delete BEFORE DELETE ON subscription BEGIN SELECT RAISE(ABORT, 'append-only: rows of subscription are never changed'); END

CREATE TRIGGER terms_no_update BEFORE UPDATE ON terms BEGIN SELECT RAISE(ABORT, 'append-only: rows of terms are never changed'); END

CREATE TRIGGER terms_no_delete BEFORE DELETE ON terms BEGIN SELECT RAISE(ABORT, 'append-only: rows of terms are never changed'); END

CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END

CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END

CREATE TRIGGER trial_no_update BEFORE UPDATE ON trial BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial are never changed'); END

CREATE TRIGGER trial_no_delete BEFORE DELETE ON trial BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial are never changed'); END

CREATE TRIGGER trial_result_no_update BEFORE UPDATE ON trial_result BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial_result are never changed'); END

CREATE TRIGGER trial_result_no_delete BEFORE DELETE ON trial_result BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial_result are never changed'); END

CREATE TRIGGER usage_no_update BEFORE UPDATE ON usage BEGIN SELECT RAISE(ABORT, 'append-only: rows of usage are never changed'); END

CREATE TRIGGER usage_no_delete BEFORE DELETE ON usage BEGIN SELECT RAISE(ABORT, 'append-only: rows of usage are never changed'); END

CREATE TRIGGER version_no_update BEFORE UPDATE ON version BEGIN SELECT RAISE(ABORT, 'append-only: rows of version are never changed'); END

CREATE TRIGGER version_no_delete BEFORE DELETE ON version BEGIN SELECT RAISE(ABORT, 'append-only: rows of version are never changed'); END

CREATE TRIGGER version_parent_no_update BEFORE UPDATE ON version_parent BEGIN SELECT RAISE(ABORT, 'append-only: rows of version_parent are never changed'); END

CREATE TRIGGER version_parent_no_delete BEFORE DELETE ON version_parent BEGIN SELECT RAISE(ABORT, 'append-only: rows of version_parent are never changed'); END

CREATE TRIGGER vouching_no_update BEFORE UPDATE ON vouching BEGIN SELECT RAISE(ABORT, 'append-only: rows of vouching are never changed'); END

CREATE TRIGGER vouching_no_delete BEFORE DELETE ON vouching BEGIN SELECT RAISE(ABORT, 'append-only: rows of vouching are never changed'); END

CREATE TRIGGER account_no_delete BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'append-only: of account only balance_nanos, held_nanos, spent_nanos, last_posting_id may change'); END

CREATE TRIGGER account_no_update BEFORE UPDATE OF name, overdraft, opened_at, cap_nanos, owner ON account BEGIN SELECT RAISE(ABORT, 'append-only: of account only balance_nanos, held_nanos, spent_nanos, last_posting_id may change'); END

CREATE TRIGGER account_key_no_replace BEFORE INSERT ON account_key WHEN EXISTS (SELECT 1 FROM account_key WHERE public_key = NEW.public_key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_key are never changed'); END

CREATE TRIGGER account_trust_no_replace BEFORE INSERT ON account_trust WHEN EXISTS (SELECT 1 FROM account_trust WHERE account = NEW.account AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of account_trust are never changed'); END

CREATE TRIGGER bounty_no_replace BEFORE INSERT ON bounty WHEN EXISTS (SELECT 1 FROM bounty WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty are never changed'); END

CREATE TRIGGER bounty_award_no_replace BEFORE INSERT ON bounty_award WHEN EXISTS (SELECT 1 FROM bounty_award WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bounty_award are never changed'); END

CREATE TRIGGER bundle_no_replace BEFORE INSERT ON bundle WHEN EXISTS (SELECT 1 FROM bundle WHERE name = NEW.name) OR EXISTS (SELECT 1 FROM bundle WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle are never changed'); END

CREATE TRIGGER bundle_part_no_replace BEFORE INSERT ON bundle_part WHEN EXISTS (SELECT 1 FROM bundle_part WHERE bundle = NEW.bundle AND listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of bundle_part are never changed'); END

CREATE TRIGGER compute_offer_no_replace BEFORE INSERT ON compute_offer WHEN EXISTS (SELECT 1 FROM compute_offer WHERE name = NEW.name) OR EXISTS (SELECT 1 FROM compute_offer WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_offer are never changed'); END

CREATE TRIGGER compute_use_no_replace BEFORE INSERT ON compute_use WHEN EXISTS (SELECT 1 FROM compute_use WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of compute_use are never changed'); END

CREATE TRIGGER debt_no_replace BEFORE INSERT ON debt WHEN EXISTS (SELECT 1 FROM debt WHERE transfer_id = NEW.transfer_id AND debtor = NEW.debtor) BEGIN SELECT RAISE(ABORT, 'append-only: rows of debt are never changed'); END

CREATE TRIGGER epoch_no_replace BEFORE INSERT ON epoch WHEN EXISTS (SELECT 1 FROM epoch WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'append-only: rows of epoch are never changed'); END

CREATE TRIGGER evaluator_no_replace BEFORE INSERT ON evaluator WHEN EXISTS (SELECT 1 FROM evaluator WHERE account = NEW.account) BEGIN SELECT RAISE(ABORT, 'append-only: rows of evaluator are never changed'); END

CREATE TRIGGER event_no_replace BEFORE INSERT ON event WHEN EXISTS (SELECT 1 FROM event WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'append-only: rows of event are never changed'); END

CREATE TRIGGER income_no_replace BEFORE INSERT ON income WHEN EXISTS (SELECT 1 FROM income WHERE transfer_id = NEW.transfer_id AND source = NEW.source AND account = NEW.account AND role = NEW.role) BEGIN SELECT RAISE(ABORT, 'append-only: rows of income are never changed'); END

CREATE TRIGGER key_revocation_no_replace BEFORE INSERT ON key_revocation WHEN EXISTS (SELECT 1 FROM key_revocation WHERE public_key = NEW.public_key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of key_revocation are never changed'); END

CREATE TRIGGER listing_no_replace BEFORE INSERT ON listing WHEN EXISTS (SELECT 1 FROM listing WHERE name = NEW.name) OR EXISTS (SELECT 1 FROM listing WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of listing are never changed'); END

CREATE TRIGGER meter_no_replace BEFORE INSERT ON meter WHEN EXISTS (SELECT 1 FROM meter WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter are never changed'); END

CREATE TRIGGER meter_reading_no_replace BEFORE INSERT ON meter_reading WHEN EXISTS (SELECT 1 FROM meter_reading WHERE key = NEW.key) OR EXISTS (SELECT 1 FROM meter_reading WHERE hold_id = NEW.hold_id AND n_units = NEW.n_units) BEGIN SELECT RAISE(ABORT, 'append-only: rows of meter_reading are never changed'); END

CREATE TRIGGER price_no_replace BEFORE INSERT ON price WHEN EXISTS (SELECT 1 FROM price WHERE listing = NEW.listing AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of price are never changed'); END

CREATE TRIGGER purchase_no_replace BEFORE INSERT ON purchase WHEN EXISTS (SELECT 1 FROM purchase WHERE transfer_id = NEW.transfer_id) OR EXISTS (SELECT 1 FROM purchase WHERE buyer = NEW.buyer AND listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of purchase are never changed'); END

CREATE TRIGGER receipt_no_replace BEFORE INSERT ON receipt WHEN EXISTS (SELECT 1 FROM receipt WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM receipt WHERE listing = NEW.listing AND number = NEW.number AND exam = NEW.exam AND skill = NEW.skill) BEGIN SELECT RAISE(ABORT, 'append-only: rows of receipt are never changed'); END

CREATE TRIGGER recheck_no_replace BEFORE INSERT ON recheck WHEN EXISTS (SELECT 1 FROM recheck WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM recheck WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of recheck are never changed'); END

CREATE TRIGGER rental_no_replace BEFORE INSERT ON rental WHEN EXISTS (SELECT 1 FROM rental WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of rental are never changed'); END

CREATE TRIGGER request_no_replace BEFORE INSERT ON request WHEN EXISTS (SELECT 1 FROM request WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of request are never changed'); END

CREATE TRIGGER review_no_replace BEFORE INSERT ON review WHEN EXISTS (SELECT 1 FROM review WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM review WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of review are never changed'); END

CREATE TRIGGER sale_return_no_replace BEFORE INSERT ON sale_return WHEN EXISTS (SELECT 1 FROM sale_return WHERE sale_id = NEW.sale_id) OR EXISTS (SELECT 1 FROM sale_return WHERE refund_id = NEW.refund_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of sale_return are never changed'); END

CREATE TRIGGER search_miss_no_replace BEFORE INSERT ON search_miss WHEN EXISTS (SELECT 1 FROM search_miss WHERE account = NEW.account AND skill = NEW.skill AND day = NEW.day) BEGIN SELECT RAISE(ABORT, 'append-only: rows of search_miss are never changed'); END

CREATE TRIGGER settlement_no_replace BEFORE INSERT ON settlement WHEN EXISTS (SELECT 1 FROM settlement WHERE transfer_id = NEW.transfer_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of settlement are never changed'); END

CREATE TRIGGER standing_no_replace BEFORE INSERT ON standing WHEN EXISTS (SELECT 1 FROM standing WHERE listing = NEW.listing AND epoch = NEW.epoch) BEGIN SELECT RAISE(ABORT, 'append-only: rows of standing are never changed'); END

CREATE TRIGGER status_event_no_replace BEFORE INSERT ON status_event WHEN EXISTS (SELECT 1 FROM status_event WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of status_event are never changed'); END

CREATE TRIGGER subscription_no_replace BEFORE INSERT ON subscription WHEN EXISTS (SELECT 1 FROM subscription WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of subscription are never changed'); END

CREATE TRIGGER terms_no_replace BEFORE INSERT ON terms WHEN EXISTS (SELECT 1 FROM terms WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM terms WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of terms are never changed'); END

CREATE TRIGGER transfer_no_replace BEFORE INSERT ON transfer WHEN EXISTS (SELECT 1 FROM transfer WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM transfer WHERE key = NEW.key) OR EXISTS (SELECT 1 FROM transfer WHERE refers_to = NEW.refers_to AND (kind IN ('post', 'void', 'expire'))) AND EXISTS (SELECT 1 FROM (SELECT NEW.id AS id, NEW.at AS at, NEW.kind AS kind, NEW.memo AS memo, NEW.key AS key, NEW.group_key AS group_key, NEW.refers_to AS refers_to, NEW.expires_at AS expires_at, NEW.body_hash AS body_hash, NEW.body AS body, NEW.hash AS hash) WHERE kind IN ('post', 'void', 'expire')) BEGIN SELECT RAISE(ABORT, 'append-only: rows of transfer are never changed'); END

CREATE TRIGGER trial_no_replace BEFORE INSERT ON trial WHEN EXISTS (SELECT 1 FROM trial WHERE hold_id = NEW.hold_id) OR EXISTS (SELECT 1 FROM trial WHERE principal = NEW.principal AND listing = NEW.listing) BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial are never changed'); END

CREATE TRIGGER trial_result_no_replace BEFORE INSERT ON trial_result WHEN EXISTS (SELECT 1 FROM trial_result WHERE hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'append-only: rows of trial_result are never changed'); END

CREATE TRIGGER usage_no_replace BEFORE INSERT ON usage WHEN EXISTS (SELECT 1 FROM usage WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of usage are never changed'); END

CREATE TRIGGER version_no_replace BEFORE INSERT ON version WHEN EXISTS (SELECT 1 FROM version WHERE listing = NEW.listing AND number = NEW.number) OR EXISTS (SELECT 1 FROM version WHERE digest = NEW.digest) OR EXISTS (SELECT 1 FROM version WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of version are never changed'); END

CREATE TRIGGER version_parent_no_replace BEFORE INSERT ON version_parent WHEN EXISTS (SELECT 1 FROM version_parent WHERE child = NEW.child AND parent = NEW.parent) BEGIN SELECT RAISE(ABORT, 'append-only: rows of version_parent are never changed'); END

CREATE TRIGGER vouching_no_replace BEFORE INSERT ON vouching WHEN EXISTS (SELECT 1 FROM vouching WHERE number = NEW.number) OR EXISTS (SELECT 1 FROM vouching WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'append-only: rows of vouching are never changed'); END

CREATE TRIGGER account_no_replace BEFORE INSERT ON account WHEN EXISTS (SELECT 1 FROM account WHERE name = NEW.name) BEGIN SELECT RAISE(ABORT, 'append-only: rows of account are never changed'); END
