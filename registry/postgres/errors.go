package postgres

import (
	"context"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"mist/registry"
)

// constraints says what the breach of a constraint means to a caller, by the
// constraint's name. What is not here is our own fault and stays internal.
var constraints = map[string]registry.Error{
	"acts_container_key": {Code: registry.CodeAlreadyDone, Reason: "container_reused",
		Detail: "this signed document was accepted before"},
	"acts_pkey": {Code: registry.CodeConflict, Reason: "act_exists",
		Detail: "this request was signed already"},
	"declarations_one_active": {Code: registry.CodeConflict, Reason: "declaration_active",
		Detail: "the person has an active declaration; repeat the request"},
	"declarations_number_key": {Code: registry.CodeConflict, Reason: "declaration_number",
		Detail: "this declaration number is taken"},
	"person_merges_open_key": {Code: registry.CodeConflict, Reason: "merge_exists",
		Detail: "the record is the loser of another merge that is proposed or done"},
	"person_relationships_active_key": {Code: registry.CodeConflict, Reason: "relationship_exists",
		Detail: "Relationship between confidant patient and related patient already exists"},
	"persons_identity_key": {Code: registry.CodeConflict, Reason: "person_exists",
		Detail: "such person already exists"},
	"exchanges_pkey": {Code: registry.CodeConflict, Reason: "exchange_answered",
		Detail: "this message was answered at the same moment; send it again"},
	"clients_name_key": {Code: registry.CodeConflict, Reason: "client_exists",
		Detail: "a client of this name exists"},
	"legal_entities_edrpou_type_key": {Code: registry.CodeConflict, Reason: "legal_entity_exists",
		Detail: "a legal entity of this EDRPOU and type exists"},
	"legal_entities_pkey": {Code: registry.CodeConflict, Detail: "this legal entity exists"},
	"persons_pkey":        {Code: registry.CodeConflict, Detail: "this person exists"},

	"acts_patient_fkey":              {Code: registry.CodeNotFound, Detail: "such person doesn't exist"},
	"acts_author_fkey":               {Code: registry.CodeNotFound, Detail: "such employee doesn't exist"},
	"acts_legal_entity_fkey":         {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"acts_refers_to_fkey":            {Code: registry.CodeNotFound, Detail: "the act referred to doesn't exist"},
	"drafts_person_fkey":             {Code: registry.CodeNotFound, Detail: "such person doesn't exist"},
	"drafts_employee_fkey":           {Code: registry.CodeNotFound, Detail: "such employee doesn't exist"},
	"drafts_legal_entity_fkey":       {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"divisions_legal_entity_fkey":    {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"employees_legal_entity_fkey":    {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"employees_division_fkey":        {Code: registry.CodeNotFound, Detail: "such division doesn't exist"},
	"employees_party_fkey":           {Code: registry.CodeNotFound, Detail: "such party doesn't exist"},
	"declarations_person_fkey":       {Code: registry.CodeNotFound, Detail: "such person doesn't exist"},
	"declarations_employee_fkey":     {Code: registry.CodeNotFound, Detail: "such employee doesn't exist"},
	"declarations_division_fkey":     {Code: registry.CodeNotFound, Detail: "such division doesn't exist"},
	"declarations_legal_entity_fkey": {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"consents_person_fkey":           {Code: registry.CodeNotFound, Detail: "such person doesn't exist"},
	"compositions_person_fkey":       {Code: registry.CodeNotFound, Detail: "such person doesn't exist"},
	"compositions_legal_entity_fkey": {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"compositions_number_key":        {Code: registry.CodeConflict, Reason: "composition_number", Detail: "another conclusion has this number"},
	"records_pkey":                   {Code: registry.CodeConflict, Reason: "record_exists", Detail: "a record with this id exists; ids are given by the clinic, each once"},
	"records_number_key":             {Code: registry.CodeConflict, Reason: "record_number", Detail: "another record has this number; repeat the request"},
	"records_patient_fkey":           {Code: registry.CodeNotFound, Detail: "such person doesn't exist"},
	"records_author_fkey":            {Code: registry.CodeNotFound, Detail: "such employee doesn't exist"},
	"records_legal_entity_fkey":      {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"records_holder_fkey":            {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"clients_legal_entity_fkey":      {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},

	"legal_entities_type_fkey":             {Code: registry.CodeInvalid, Detail: "there is no such type of legal entity"},
	"employees_one_head":                   {Code: registry.CodeConflict, Reason: "head_exists", Detail: "the legal entity has an approved head"},
	"employee_requests_legal_entity_fkey":  {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"employee_requests_division_fkey":      {Code: registry.CodeNotFound, Detail: "such division doesn't exist"},
	"employee_requests_employee_fkey":      {Code: registry.CodeNotFound, Detail: "such employee doesn't exist"},
	"black_list_users_active_key":          {Code: registry.CodeConflict, Reason: "black_listed", Detail: "This user is already in a black list"},
	"related_legal_entities_pkey":          {Code: registry.CodeConflict, Reason: "merged", Detail: "the legal entity was merged before"},
	"related_legal_entities_from_fkey":     {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"related_legal_entities_to_fkey":       {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"contract_requests_one_open":           {Code: registry.CodeConflict, Reason: "contract_request_open", Detail: "the legal entity has an open contract request of this form"},
	"contract_requests_legal_entity_fkey":  {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"contract_signatures_pkey":             {Code: registry.CodeConflict, Reason: "signed", Detail: "this side has signed already"},
	"contracts_legal_entity_fkey":          {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"settlements_katottg_key":              {Code: registry.CodeConflict, Detail: "the КАТОТТГ code belongs to another settlement"},
	"contract_documents_legal_entity_fkey": {Code: registry.CodeNotFound, Detail: "such legal entity doesn't exist"},
	"contract_employees_employee_fkey":     {Code: registry.CodeNotFound, Detail: "such employee doesn't exist"},
	"contract_employees_division_fkey":     {Code: registry.CodeNotFound, Detail: "such division doesn't exist"},

	"innm_dosages_innm_fkey":              {Code: registry.CodeNotFound, Detail: "such INNM doesn't exist"},
	"medications_dosage_fkey":             {Code: registry.CodeNotFound, Detail: "such INNM dosage doesn't exist"},
	"program_medications_medication_fkey": {Code: registry.CodeNotFound, Detail: "such medication doesn't exist"},
	"program_medications_program_fkey":    {Code: registry.CodeNotFound, Detail: "such medical program doesn't exist"},
	"medication_dispenses_one_open":       {Code: registry.CodeForbidden, Reason: "dispense_exists", Detail: "Active medication dispense already exists"},
	"medication_dispenses_one":            {Code: registry.CodeForbidden, Reason: "dispense_exists", Detail: "Active medication dispense already exists"},
	"program_medications_one_active":      {Code: registry.CodeConflict, Reason: "program_medication_exists", Detail: "the brand takes part in the programme already"},

	"disputes_one_open":            {Code: registry.CodeConflict, Reason: "dispute_open", Detail: "a case about this record is open already"},
	"sick_leave_links_one_live":    {Code: registry.CodeConflict, Reason: "continued", Detail: "the conclusion has been continued or replaced at this moment"},
	"sick_leave_links_focus_fkey":  {Code: registry.CodeNotFound, Detail: "such person doesn't exist"},
	"sick_leave_links_target_fkey": {Code: registry.CodeNotFound, Reason: "1000", Detail: "Composition not found"},

	"persons_master_fkey": {Code: registry.CodeNotFound, Detail: "the surviving person record doesn't exist"},
}

// internalConstraints can only be broken by a fault of Mist; the test that
// walks the schema wants every constraint in one of the two tables.
var internalConstraints = []string{
	"container_extensions_pkey", "container_extensions_act_fkey", "container_extensions_media_fkey", "container_extensions_generation_key", "container_attempts_pkey",
	"trust_changes_pkey",
	"log_attachments_pkey", "log_attachments_detached_key", "log_attachments_detached_fkey", "log_archives_month_fkey", "log_archives_pkey", "log_months_pkey", "log_months_suffix_key",
	"trust_changes_pkey", "disputes_pkey", "disputes_number_key", "disputes_person_fkey", "disputes_act_fkey",
	"acts_demand_leaf", "checkpoints_pkey", "entries_leaf_key", "entries_pkey", "leaves_pkey", "entry_days_pkey", "entry_search_pkey", "entry_search_upto_pkey", "publications_checkpoint_fkey", "publications_pkey", "tiles_pkey",
	"declarations_pkey", "declarations_act_fkey",
	"drafts_pkey", "media_pkey", "reports_pkey", "divisions_pkey", "parties_pkey", "employees_pkey",
	"person_keys_pkey", "person_keys_person_fkey", "compositions_pkey", "consents_pkey", "clients_pkey", "tokens_pkey",
	"tokens_client_fkey", "log_epochs_pkey", "data_keys_pkey", "search_questions_pkey", "search_budgets_pkey",
	"declaration_statuses_feed_key", "replies_pkey", "person_entries_pkey", "person_entries_upto_pkey",
	"pending_acts_pkey", "pending_acts_draft_fkey", "draft_statuses_draft_fkey", "draft_statuses_feed_key",
	"orders_pkey", "unsealings_pkey", "jobs_pkey", "person_verifications_pkey", "person_verifications_person_fkey", "register_feeds_pkey", "legal_entity_checks_pkey", "legal_entity_checks_legal_entity_fkey", "payment_registers_pkey", "payment_registers_proposed_by_fkey", "payment_registers_approved_by_fkey", "outbox_messages_pkey", "outbox_destinations_pkey", "jobs_river_key", "jobs_kind_key", "judgement_rules_pkey", "rejudgements_pkey", "rejudgements_upto_pkey",
	"person_entries_pkey", "person_entries_upto_pkey",
	"person_merges_pkey", "person_merges_master_fkey", "person_merges_merge_fkey",
	"person_relationships_pkey", "person_relationships_person_fkey", "person_relationships_confidant_fkey", "person_versions_person_fkey",
	"draft_documents_pkey", "draft_documents_draft_fkey", "draft_documents_type_key",
	"api_keys_pkey", "api_keys_client_fkey", "api_keys_legal_entity_fkey", "edge_sites_pkey", "edge_sites_legal_entity_fkey", "edge_sites_key_fkey",
	"approvals_pkey", "approvals_consent_fkey", "approvals_employee_fkey", "approvals_legal_entity_fkey", "emergency_accesses_pkey", "emergency_accesses_person_fkey",
	"emergency_accesses_employee_fkey", "emergency_accesses_legal_entity_fkey",
	"person_entries_pkey", "person_entries_upto_pkey", "users_pkey", "users_key_key", "spent_challenges_pkey", "grants_pkey", "grants_client_fkey", "grants_user_fkey", "codes_pkey", "codes_grant_fkey",
	"refresh_tokens_pkey", "refresh_tokens_grant_fkey", "tokens_grant_fkey",
	"legal_entity_types_pkey", "employee_types_pkey", "mountain_settlements_pkey", "employee_requests_pkey", "employee_requests_act_fkey", "records_act_fkey",
	"employee_requests_invitation_key", "employee_requests_type_fkey", "black_list_users_pkey", "dictionaries_pkey", "dictionary_values_pkey",
	"dictionary_values_name_fkey", "dictionary_epoch_pkey", "global_parameters_pkey", "contract_requests_pkey", "contract_requests_act_fkey",
	"contract_signatures_request_fkey", "contract_signatures_act_fkey", "contracts_pkey", "contracts_number_key", "contracts_request_key",
	"contracts_request_fkey", "contracts_parent_fkey", "contract_employees_pkey", "contract_employees_one_current", "contract_employees_act_fkey",
	"audit_export_parts_export_id_fkey", "audit_export_parts_pkey", "audit_exports_pkey", "status_events_feed_key", "registers_pkey", "registers_proposed_by_fkey", "registers_approved_by_fkey", "register_lines_pkey", "register_lines_register_fkey", "register_lines_person_fkey", "declaration_parents_pkey", "declaration_parents_declaration_fkey", "declaration_parents_parent_fkey", "settlements_pkey", "employee_orders_pkey", "employee_orders_act_fkey", "employee_orders_employee_fkey", "contract_documents_pkey", "contract_documents_type_key", "contract_employees_contract_fkey",
	"sick_leave_links_pkey", "sick_leave_links_record_fkey", "sick_leave_rules_pkey",
	"directory_hidden_pkey", "code_misses_pkey", "streets_pkey", "streets_settlement_fkey", "directory_hidden_legal_entity_fkey",
	"innms_pkey", "innm_dosages_pkey", "medications_pkey", "medical_programs_pkey", "program_medications_pkey",
	"medication_periods_pkey", "medication_periods_record_fkey", "medication_dispense_places_pkey", "medication_dispense_places_record_fkey", "medication_dispense_places_prescription_fkey",
}

// mapError turns a database error into a registry error. The database's own
// text stays the private cause; its DETAIL, which repeats row values, is
// dropped, because values are personal data.
func mapError(err error) error {
	if err == nil {
		return nil
	}
	var known *registry.Error
	if errors.As(err, &known) {
		return err
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		cause := &DatabaseError{SQLState: pg.Code, Constraint: pg.ConstraintName, Table: pg.TableName, Message: pg.Message, Routine: pg.Routine}
		if e, ok := constraints[pg.ConstraintName]; ok {
			e.Err = cause
			return &e
		}
		if unavailable(pg.Code) {
			return unavailableError(cause)
		}
		return &registry.Error{Code: registry.CodeInternal, Detail: "internal error", Err: cause}
	}
	var netErr net.Error
	var connectErr *pgconn.ConnectError
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.As(err, &netErr) || errors.As(err, &connectErr) || pgconn.Timeout(err) || pgconn.SafeToRetry(err) {
		return unavailableError(err)
	}
	return err
}

func unavailableError(cause error) error {
	return &registry.Error{Code: registry.CodeUnavailable, Reason: "database", Detail: "the registry is busy; repeat the same request", Err: cause}
}

// DatabaseError is what may be logged of a server's error.
type DatabaseError struct {
	SQLState   string
	Constraint string
	Table      string
	Message    string
	Routine    string
}

// Error leaves the server's message out where it can repeat values (class 22).
func (e *DatabaseError) Error() string {
	s := "database error " + e.SQLState
	if e.Constraint != "" {
		s += " on " + e.Constraint
	}
	if len(e.SQLState) == 5 && e.SQLState[:2] != "22" {
		s += ": " + e.Message
	}
	return s
}

// unavailable lists states that pass by themselves: lost races, time limits,
// a server that is full, starting, stopping or gone.
func unavailable(state string) bool {
	switch state {
	case "40001", "40P01", "55P03", "57014", "25P03", "25P04", "57P01", "57P02", "57P03", "57P05":
		return true
	}
	return len(state) == 5 && (state[:2] == "53" || state[:2] == "08")
}

// lostToAnother reports whether the transaction may simply be run again: it
// was the victim of a deadlock or of serialization, or the same message was
// answered by another transaction, whose answer the second run finds.
func lostToAnother(err error) bool {
	var db *DatabaseError
	return errors.As(err, &db) && (db.SQLState == "40001" || db.SQLState == "40P01" || db.Constraint == "exchanges_pkey")
}

// lostTable reports "undefined table".
func lostTable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42P01"
}
