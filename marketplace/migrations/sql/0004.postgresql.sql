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
	number BIGSERIAL NOT NULL,
	opened_at FLOAT NOT NULL,
	PRIMARY KEY (number)
)

CREATE TABLE event (
	number BIGINT NOT NULL,
	changes VARCHAR NOT NULL,
	hash VARCHAR NOT NULL,
	PRIMARY KEY (number)
)

CREATE TABLE request (
	key VARCHAR NOT NULL,
	operation VARCHAR NOT NULL,
	body VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	body_hash VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY (key)
)

CREATE TABLE transfer (
	id BIGINT NOT NULL,
	at FLOAT NOT NULL,
	kind VARCHAR NOT NULL,
	memo VARCHAR NOT NULL,
	key VARCHAR NOT NULL,
	group_key VARCHAR,
	refers_to BIGINT,
	expires_at FLOAT,
	body_hash VARCHAR DEFAULT '' NOT NULL,
	body VARCHAR,
	hash VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (key),
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
	key VARCHAR NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(owner) REFERENCES account (name),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
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
	key VARCHAR NOT NULL,
	PRIMARY KEY (name),
	CONSTRAINT offer_is_positive CHECK (ask_nanos > 0 AND capacity_units > 0),
	FOREIGN KEY(owner) REFERENCES account (name),
	FOREIGN KEY(epoch) REFERENCES epoch (number),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
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
	key VARCHAR NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(owner) REFERENCES account (name),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
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
	id BIGINT NOT NULL,
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
	CONSTRAINT fee_is_a_tenth_rounded_up CHECK (fee_nanos = gross_nanos / 10 + CASE WHEN gross_nanos %% 10 > 0 THEN 1 ELSE 0 END),
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
	number BIGSERIAL NOT NULL,
	account VARCHAR NOT NULL,
	vouched BOOLEAN NOT NULL,
	at FLOAT NOT NULL,
	key VARCHAR NOT NULL,
	PRIMARY KEY (number),
	FOREIGN KEY(account) REFERENCES account (name),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
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
	"user" VARCHAR NOT NULL,
	epoch BIGINT NOT NULL,
	units BIGINT NOT NULL,
	rate_nanos BIGINT NOT NULL,
	PRIMARY KEY (transfer_id),
	FOREIGN KEY(transfer_id) REFERENCES transfer (id),
	FOREIGN KEY(offer) REFERENCES compute_offer (name),
	FOREIGN KEY("user") REFERENCES account (name),
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
	id BIGSERIAL NOT NULL,
	reviewer VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	n_good BIGINT NOT NULL,
	n_bad BIGINT NOT NULL,
	text VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	key VARCHAR NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT review_counts CHECK (n_good >= 0 AND n_bad >= 0 AND n_good + n_bad > 0),
	FOREIGN KEY(reviewer) REFERENCES account (name),
	FOREIGN KEY(listing) REFERENCES listing (name),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
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
	id BIGSERIAL NOT NULL,
	listing VARCHAR NOT NULL,
	rent_day_parts BIGINT NOT NULL,
	use_parts BIGINT NOT NULL,
	subscribable BOOLEAN NOT NULL,
	at FLOAT NOT NULL,
	key VARCHAR NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT terms_are_not_negative CHECK (rent_day_parts >= 0 AND use_parts >= 0),
	FOREIGN KEY(listing) REFERENCES listing (name),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
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
	key VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	principal VARCHAR NOT NULL,
	listing VARCHAR NOT NULL,
	units BIGINT NOT NULL,
	amount_nanos BIGINT NOT NULL,
	covered_by VARCHAR NOT NULL,
	cover_id BIGINT,
	at FLOAT NOT NULL,
	PRIMARY KEY (key),
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
	is_repeat BOOLEAN DEFAULT true NOT NULL,
	sketch BYTEA NOT NULL,
	creator VARCHAR NOT NULL,
	release VARCHAR NOT NULL,
	published_at FLOAT NOT NULL,
	key VARCHAR NOT NULL,
	PRIMARY KEY (listing, number),
	CONSTRAINT ask_is_positive CHECK (ask_nanos > 0),
	FOREIGN KEY(listing) REFERENCES listing (name),
	UNIQUE (digest),
	FOREIGN KEY(near_of) REFERENCES listing (name),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
)

CREATE INDEX ix_version_near_of ON version (near_of)

CREATE TABLE meter_reading (
	key VARCHAR NOT NULL,
	hold_id BIGINT NOT NULL,
	units BIGINT NOT NULL,
	n_units BIGINT NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (key),
	CONSTRAINT reading_is_positive CHECK (units > 0),
	CONSTRAINT totals_grow UNIQUE (hold_id, n_units),
	FOREIGN KEY(key) REFERENCES request (key),
	FOREIGN KEY(hold_id) REFERENCES meter (hold_id)
)

CREATE TABLE receipt (
	id BIGSERIAL NOT NULL,
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
	PRIMARY KEY (id),
	CONSTRAINT no_more_right_than_asked CHECK (n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions),
	CONSTRAINT one_receipt_per_exam UNIQUE (listing, number, exam, skill),
	FOREIGN KEY(listing, number) REFERENCES version (listing, number)
)

CREATE TABLE status_event (
	id BIGSERIAL NOT NULL,
	listing VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	status VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	by VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	key VARCHAR,
	PRIMARY KEY (id),
	FOREIGN KEY(listing, number) REFERENCES version (listing, number),
	FOREIGN KEY(by) REFERENCES account (name),
	FOREIGN KEY(key) REFERENCES request (key)
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
	id BIGSERIAL NOT NULL,
	receipt BIGINT NOT NULL,
	by VARCHAR NOT NULL,
	n_questions BIGINT NOT NULL,
	n_correct BIGINT NOT NULL,
	n_base_correct BIGINT NOT NULL,
	passed BOOLEAN NOT NULL,
	binding BOOLEAN NOT NULL,
	seed BIGINT,
	at FLOAT NOT NULL,
	key VARCHAR NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT no_more_right_than_asked_again CHECK (n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions),
	FOREIGN KEY(receipt) REFERENCES receipt (id),
	FOREIGN KEY(by) REFERENCES account (name),
	UNIQUE (key),
	FOREIGN KEY(key) REFERENCES request (key)
)

CREATE INDEX ix_recheck_receipt ON recheck (receipt)

-- protection: applied when the rows are in place

CREATE FUNCTION market_keep_rows() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'append-only: rows of ' || TG_TABLE_NAME || ' are never changed'; END$$

CREATE TRIGGER account_key_no_change BEFORE DELETE OR UPDATE ON account_key FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account_key ENABLE ALWAYS TRIGGER account_key_no_change

CREATE TRIGGER account_key_no_truncate BEFORE TRUNCATE ON account_key FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account_key ENABLE ALWAYS TRIGGER account_key_no_truncate

REVOKE ALL ON account_key FROM PUBLIC

REVOKE DELETE, TRUNCATE ON account_key FROM CURRENT_USER

CREATE TRIGGER account_trust_no_change BEFORE DELETE OR UPDATE ON account_trust FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account_trust ENABLE ALWAYS TRIGGER account_trust_no_change

CREATE TRIGGER account_trust_no_truncate BEFORE TRUNCATE ON account_trust FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account_trust ENABLE ALWAYS TRIGGER account_trust_no_truncate

REVOKE ALL ON account_trust FROM PUBLIC

REVOKE DELETE, TRUNCATE ON account_trust FROM CURRENT_USER

CREATE TRIGGER bounty_no_change BEFORE DELETE OR UPDATE ON bounty FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bounty ENABLE ALWAYS TRIGGER bounty_no_change

CREATE TRIGGER bounty_no_truncate BEFORE TRUNCATE ON bounty FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bounty ENABLE ALWAYS TRIGGER bounty_no_truncate

REVOKE ALL ON bounty FROM PUBLIC

REVOKE DELETE, TRUNCATE ON bounty FROM CURRENT_USER

CREATE TRIGGER bounty_award_no_change BEFORE DELETE OR UPDATE ON bounty_award FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bounty_award ENABLE ALWAYS TRIGGER bounty_award_no_change

CREATE TRIGGER bounty_award_no_truncate BEFORE TRUNCATE ON bounty_award FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bounty_award ENABLE ALWAYS TRIGGER bounty_award_no_truncate

REVOKE ALL ON bounty_award FROM PUBLIC

REVOKE DELETE, TRUNCATE ON bounty_award FROM CURRENT_USER

CREATE TRIGGER bundle_no_change BEFORE DELETE OR UPDATE ON bundle FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bundle ENABLE ALWAYS TRIGGER bundle_no_change

CREATE TRIGGER bundle_no_truncate BEFORE TRUNCATE ON bundle FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bundle ENABLE ALWAYS TRIGGER bundle_no_truncate

REVOKE ALL ON bundle FROM PUBLIC

REVOKE DELETE, TRUNCATE ON bundle FROM CURRENT_USER

CREATE TRIGGER bundle_part_no_change BEFORE DELETE OR UPDATE ON bundle_part FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bundle_part ENABLE ALWAYS TRIGGER bundle_part_no_change

CREATE TRIGGER bundle_part_no_truncate BEFORE TRUNCATE ON bundle_part FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE bundle_part ENABLE ALWAYS TRIGGER bundle_part_no_truncate

REVOKE ALL ON bundle_part FROM PUBLIC

REVOKE DELETE, TRUNCATE ON bundle_part FROM CURRENT_USER

CREATE TRIGGER compute_offer_no_change BEFORE DELETE OR UPDATE ON compute_offer FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE compute_offer ENABLE ALWAYS TRIGGER compute_offer_no_change

CREATE TRIGGER compute_offer_no_truncate BEFORE TRUNCATE ON compute_offer FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE compute_offer ENABLE ALWAYS TRIGGER compute_offer_no_truncate

REVOKE ALL ON compute_offer FROM PUBLIC

REVOKE DELETE, TRUNCATE ON compute_offer FROM CURRENT_USER

CREATE TRIGGER compute_use_no_change BEFORE DELETE OR UPDATE ON compute_use FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE compute_use ENABLE ALWAYS TRIGGER compute_use_no_change

CREATE TRIGGER compute_use_no_truncate BEFORE TRUNCATE ON compute_use FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE compute_use ENABLE ALWAYS TRIGGER compute_use_no_truncate

REVOKE ALL ON compute_use FROM PUBLIC

REVOKE DELETE, TRUNCATE ON compute_use FROM CURRENT_USER

CREATE TRIGGER debt_no_change BEFORE DELETE OR UPDATE ON debt FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE debt ENABLE ALWAYS TRIGGER debt_no_change

CREATE TRIGGER debt_no_truncate BEFORE TRUNCATE ON debt FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE debt ENABLE ALWAYS TRIGGER debt_no_truncate

REVOKE ALL ON debt FROM PUBLIC

REVOKE DELETE, TRUNCATE ON debt FROM CURRENT_USER

CREATE TRIGGER epoch_no_change BEFORE DELETE OR UPDATE ON epoch FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE epoch ENABLE ALWAYS TRIGGER epoch_no_change

CREATE TRIGGER epoch_no_truncate BEFORE TRUNCATE ON epoch FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE epoch ENABLE ALWAYS TRIGGER epoch_no_truncate

REVOKE ALL ON epoch FROM PUBLIC

REVOKE DELETE, TRUNCATE ON epoch FROM CURRENT_USER

CREATE TRIGGER evaluator_no_change BEFORE DELETE OR UPDATE ON evaluator FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE evaluator ENABLE ALWAYS TRIGGER evaluator_no_change

CREATE TRIGGER evaluator_no_truncate BEFORE TRUNCATE ON evaluator FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE evaluator ENABLE ALWAYS TRIGGER evaluator_no_truncate

REVOKE ALL ON evaluator FROM PUBLIC

REVOKE DELETE, TRUNCATE ON evaluator FROM CURRENT_USER

CREATE TRIGGER event_no_change BEFORE DELETE OR UPDATE ON event FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE event ENABLE ALWAYS TRIGGER event_no_change

CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE event ENABLE ALWAYS TRIGGER event_no_truncate

REVOKE ALL ON event FROM PUBLIC

REVOKE DELETE, TRUNCATE ON event FROM CURRENT_USER

CREATE TRIGGER income_no_change BEFORE DELETE OR UPDATE ON income FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE income ENABLE ALWAYS TRIGGER income_no_change

CREATE TRIGGER income_no_truncate BEFORE TRUNCATE ON income FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE income ENABLE ALWAYS TRIGGER income_no_truncate

REVOKE ALL ON income FROM PUBLIC

REVOKE DELETE, TRUNCATE ON income FROM CURRENT_USER

CREATE TRIGGER key_revocation_no_change BEFORE DELETE OR UPDATE ON key_revocation FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE key_revocation ENABLE ALWAYS TRIGGER key_revocation_no_change

CREATE TRIGGER key_revocation_no_truncate BEFORE TRUNCATE ON key_revocation FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE key_revocation ENABLE ALWAYS TRIGGER key_revocation_no_truncate

REVOKE ALL ON key_revocation FROM PUBLIC

REVOKE DELETE, TRUNCATE ON key_revocation FROM CURRENT_USER

CREATE TRIGGER listing_no_change BEFORE DELETE OR UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE listing ENABLE ALWAYS TRIGGER listing_no_change

CREATE TRIGGER listing_no_truncate BEFORE TRUNCATE ON listing FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE listing ENABLE ALWAYS TRIGGER listing_no_truncate

REVOKE ALL ON listing FROM PUBLIC

REVOKE DELETE, TRUNCATE ON listing FROM CURRENT_USER

CREATE TRIGGER meter_no_change BEFORE DELETE OR UPDATE ON meter FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE meter ENABLE ALWAYS TRIGGER meter_no_change

CREATE TRIGGER meter_no_truncate BEFORE TRUNCATE ON meter FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE meter ENABLE ALWAYS TRIGGER meter_no_truncate

REVOKE ALL ON meter FROM PUBLIC

REVOKE DELETE, TRUNCATE ON meter FROM CURRENT_USER

CREATE TRIGGER meter_reading_no_change BEFORE DELETE OR UPDATE ON meter_reading FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE meter_reading ENABLE ALWAYS TRIGGER meter_reading_no_change

CREATE TRIGGER meter_reading_no_truncate BEFORE TRUNCATE ON meter_reading FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE meter_reading ENABLE ALWAYS TRIGGER meter_reading_no_truncate

REVOKE ALL ON meter_reading FROM PUBLIC

REVOKE DELETE, TRUNCATE ON meter_reading FROM CURRENT_USER

CREATE TRIGGER posting_no_change BEFORE DELETE OR UPDATE ON posting FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_no_change

CREATE TRIGGER posting_no_truncate BEFORE TRUNCATE ON posting FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_no_truncate

REVOKE ALL ON posting FROM PUBLIC

REVOKE DELETE, TRUNCATE ON posting FROM CURRENT_USER

CREATE TRIGGER price_no_change BEFORE DELETE OR UPDATE ON price FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE price ENABLE ALWAYS TRIGGER price_no_change

CREATE TRIGGER price_no_truncate BEFORE TRUNCATE ON price FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE price ENABLE ALWAYS TRIGGER price_no_truncate

REVOKE ALL ON price FROM PUBLIC

REVOKE DELETE, TRUNCATE ON price FROM CURRENT_USER

CREATE TRIGGER purchase_no_change BEFORE DELETE OR UPDATE ON purchase FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE purchase ENABLE ALWAYS TRIGGER purchase_no_change

CREATE TRIGGER purchase_no_truncate BEFORE TRUNCATE ON purchase FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE purchase ENABLE ALWAYS TRIGGER purchase_no_truncate

REVOKE ALL ON purchase FROM PUBLIC

REVOKE DELETE, TRUNCATE ON purchase FROM CURRENT_USER

CREATE TRIGGER receipt_no_change BEFORE DELETE OR UPDATE ON receipt FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE receipt ENABLE ALWAYS TRIGGER receipt_no_change

CREATE TRIGGER receipt_no_truncate BEFORE TRUNCATE ON receipt FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE receipt ENABLE ALWAYS TRIGGER receipt_no_truncate

REVOKE ALL ON receipt FROM PUBLIC

REVOKE DELETE, TRUNCATE ON receipt FROM CURRENT_USER

CREATE TRIGGER recheck_no_change BEFORE DELETE OR UPDATE ON recheck FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE recheck ENABLE ALWAYS TRIGGER recheck_no_change

CREATE TRIGGER recheck_no_truncate BEFORE TRUNCATE ON recheck FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE recheck ENABLE ALWAYS TRIGGER recheck_no_truncate

REVOKE ALL ON recheck FROM PUBLIC

REVOKE DELETE, TRUNCATE ON recheck FROM CURRENT_USER

CREATE TRIGGER rental_no_change BEFORE DELETE OR UPDATE ON rental FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE rental ENABLE ALWAYS TRIGGER rental_no_change

CREATE TRIGGER rental_no_truncate BEFORE TRUNCATE ON rental FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE rental ENABLE ALWAYS TRIGGER rental_no_truncate

REVOKE ALL ON rental FROM PUBLIC

REVOKE DELETE, TRUNCATE ON rental FROM CURRENT_USER

CREATE TRIGGER request_no_change BEFORE DELETE OR UPDATE ON request FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE request ENABLE ALWAYS TRIGGER request_no_change

CREATE TRIGGER request_no_truncate BEFORE TRUNCATE ON request FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE request ENABLE ALWAYS TRIGGER request_no_truncate

REVOKE ALL ON request FROM PUBLIC

REVOKE DELETE, TRUNCATE ON request FROM CURRENT_USER

CREATE TRIGGER review_no_change BEFORE DELETE OR UPDATE ON review FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE review ENABLE ALWAYS TRIGGER review_no_change

CREATE TRIGGER review_no_truncate BEFORE TRUNCATE ON review FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE review ENABLE ALWAYS TRIGGER review_no_truncate

REVOKE ALL ON review FROM PUBLIC

REVOKE DELETE, TRUNCATE ON review FROM CURRENT_USER

CREATE TRIGGER sale_return_no_change BEFORE DELETE OR UPDATE ON sale_return FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE sale_return ENABLE ALWAYS TRIGGER sale_return_no_change

CREATE TRIGGER sale_return_no_truncate BEFORE TRUNCATE ON sale_return FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE sale_return ENABLE ALWAYS TRIGGER sale_return_no_truncate

REVOKE ALL ON sale_return FROM PUBLIC

REVOKE DELETE, TRUNCATE ON sale_return FROM CURRENT_USER

CREATE TRIGGER search_miss_no_change BEFORE DELETE OR UPDATE ON search_miss FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE search_miss ENABLE ALWAYS TRIGGER search_miss_no_change

CREATE TRIGGER search_miss_no_truncate BEFORE TRUNCATE ON search_miss FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE search_miss ENABLE ALWAYS TRIGGER search_miss_no_truncate

REVOKE ALL ON search_miss FROM PUBLIC

REVOKE DELETE, TRUNCATE ON search_miss FROM CURRENT_USER

CREATE TRIGGER settlement_no_change BEFORE DELETE OR UPDATE ON settlement FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE settlement ENABLE ALWAYS TRIGGER settlement_no_change

CREATE TRIGGER settlement_no_truncate BEFORE TRUNCATE ON settlement FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE settlement ENABLE ALWAYS TRIGGER settlement_no_truncate

REVOKE ALL ON settlement FROM PUBLIC

REVOKE DELETE, TRUNCATE ON settlement FROM CURRENT_USER

CREATE TRIGGER standing_no_change BEFORE DELETE OR UPDATE ON standing FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE standing ENABLE ALWAYS TRIGGER standing_no_change

CREATE TRIGGER standing_no_truncate BEFORE TRUNCATE ON standing FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE standing ENABLE ALWAYS TRIGGER standing_no_truncate

REVOKE ALL ON standing FROM PUBLIC

REVOKE DELETE, TRUNCATE ON standing FROM CURRENT_USER

CREATE TRIGGER status_event_no_change BEFORE DELETE OR UPDATE ON status_event FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE status_event ENABLE ALWAYS TRIGGER status_event_no_change

CREATE TRIGGER status_event_no_truncate BEFORE TRUNCATE ON status_event FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE status_event ENABLE ALWAYS TRIGGER status_event_no_truncate

REVOKE ALL ON status_event FROM PUBLIC

REVOKE DELETE, TRUNCATE ON status_event FROM CURRENT_USER

CREATE TRIGGER subscription_no_change BEFORE DELETE OR UPDATE ON subscription FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE subscription ENABLE ALWAYS TRIGGER subscription_no_change

CREATE TRIGGER subscription_no_truncate BEFORE TRUNCATE ON subscription FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE subscription ENABLE ALWAYS TRIGGER subscription_no_truncate

REVOKE ALL ON subscription FROM PUBLIC

REVOKE DELETE, TRUNCATE ON subscription FROM CURRENT_USER

CREATE TRIGGER terms_no_change BEFORE DELETE OR UPDATE ON terms FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE terms ENABLE ALWAYS TRIGGER terms_no_change

CREATE TRIGGER terms_no_truncate BEFORE TRUNCATE ON terms FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE terms ENABLE ALWAYS TRIGGER terms_no_truncate

REVOKE ALL ON terms FROM PUBLIC

REVOKE DELETE, TRUNCATE ON terms FROM CURRENT_USER

CREATE TRIGGER transfer_no_change BEFORE DELETE OR UPDATE ON transfer FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_no_change

CREATE TRIGGER transfer_no_truncate BEFORE TRUNCATE ON transfer FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_no_truncate

REVOKE ALL ON transfer FROM PUBLIC

REVOKE DELETE, TRUNCATE ON transfer FROM CURRENT_USER

CREATE TRIGGER trial_no_change BEFORE DELETE OR UPDATE ON trial FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE trial ENABLE ALWAYS TRIGGER trial_no_change

CREATE TRIGGER trial_no_truncate BEFORE TRUNCATE ON trial FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE trial ENABLE ALWAYS TRIGGER trial_no_truncate

REVOKE ALL ON trial FROM PUBLIC

REVOKE DELETE, TRUNCATE ON trial FROM CURRENT_USER

CREATE TRIGGER trial_result_no_change BEFORE DELETE OR UPDATE ON trial_result FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE trial_result ENABLE ALWAYS TRIGGER trial_result_no_change

CREATE TRIGGER trial_result_no_truncate BEFORE TRUNCATE ON trial_result FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE trial_result ENABLE ALWAYS TRIGGER trial_result_no_truncate

REVOKE ALL ON trial_result FROM PUBLIC

REVOKE DELETE, TRUNCATE ON trial_result FROM CURRENT_USER

CREATE TRIGGER usage_no_change BEFORE DELETE OR UPDATE ON usage FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE usage ENABLE ALWAYS TRIGGER usage_no_change

CREATE TRIGGER usage_no_truncate BEFORE TRUNCATE ON usage FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE usage ENABLE ALWAYS TRIGGER usage_no_truncate

REVOKE ALL ON usage FROM PUBLIC

REVOKE DELETE, TRUNCATE ON usage FROM CURRENT_USER

CREATE TRIGGER version_no_change BEFORE DELETE OR UPDATE ON version FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE version ENABLE ALWAYS TRIGGER version_no_change

CREATE TRIGGER version_no_truncate BEFORE TRUNCATE ON version FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE version ENABLE ALWAYS TRIGGER version_no_truncate

REVOKE ALL ON version FROM PUBLIC

REVOKE DELETE, TRUNCATE ON version FROM CURRENT_USER

CREATE TRIGGER version_parent_no_change BEFORE DELETE OR UPDATE ON version_parent FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE version_parent ENABLE ALWAYS TRIGGER version_parent_no_change

CREATE TRIGGER version_parent_no_truncate BEFORE TRUNCATE ON version_parent FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE version_parent ENABLE ALWAYS TRIGGER version_parent_no_truncate

REVOKE ALL ON version_parent FROM PUBLIC

REVOKE DELETE, TRUNCATE ON version_parent FROM CURRENT_USER

CREATE TRIGGER vouching_no_change BEFORE DELETE OR UPDATE ON vouching FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE vouching ENABLE ALWAYS TRIGGER vouching_no_change

CREATE TRIGGER vouching_no_truncate BEFORE TRUNCATE ON vouching FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE vouching ENABLE ALWAYS TRIGGER vouching_no_truncate

REVOKE ALL ON vouching FROM PUBLIC

REVOKE DELETE, TRUNCATE ON vouching FROM CURRENT_USER

CREATE TRIGGER account_no_change BEFORE DELETE OR UPDATE OF name, overdraft, opened_at, cap_nanos, owner ON account FOR EACH ROW EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account ENABLE ALWAYS TRIGGER account_no_change

CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON account FOR EACH STATEMENT EXECUTE FUNCTION market_keep_rows()

ALTER TABLE account ENABLE ALWAYS TRIGGER account_no_truncate

REVOKE ALL ON account FROM PUBLIC

REVOKE DELETE, TRUNCATE ON account FROM CURRENT_USER
