package postgres

import (
	"mist/registry/abac"
	"mist/registry/access"
	"mist/registry/address"
	"mist/registry/approval"
	"mist/registry/audit/sequencer"
	"mist/registry/bulk"
	"mist/registry/composition"
	"mist/registry/contract"
	"mist/registry/declaration"
	"mist/registry/dictionary"
	"mist/registry/directory"
	"mist/registry/dispense"
	"mist/registry/emergency"
	"mist/registry/employeerequest"
	"mist/registry/exchange"
	"mist/registry/idempotency"
	"mist/registry/installation"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/legalentity"
	"mist/registry/medication"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/payment"
	"mist/registry/personchange"
	"mist/registry/personlife"
	"mist/registry/personrequest"
	"mist/registry/prescription"
	"mist/registry/preservation"
	"mist/registry/prm"
	"mist/registry/push"
	"mist/registry/query"
	"mist/registry/record"
	"mist/registry/upkeep"
	"mist/registry/verification"
)

// A transaction is the port of every room.
var (
	_ intake.Tx      = (*Tx)(nil)
	_ declaration.Tx = (*Tx)(nil)
	_ query.Tx       = (*Tx)(nil)
	_ access.Tx      = (*Tx)(nil)

	_ declaration.LifeTx    = (*Tx)(nil)
	_ query.ProvidersTx     = (*Tx)(nil)
	_ personrequest.Tx      = (*Tx)(nil)
	_ query.PersonsTx       = (*Tx)(nil)
	_ prm.Tx                = (*Tx)(nil)
	_ query.EventsTx        = (*Tx)(nil)
	_ idempotency.Tx        = (*Tx)(nil)
	_ patient.SearchTx      = (*Tx)(nil)
	_ upkeep.Tx             = (*Tx)(nil)
	_ preservation.Tx       = (*Tx)(nil)
	_ preservation.GetTx    = (*Tx)(nil)
	_ bulk.Tx               = (*Tx)(nil)
	_ personlife.Tx         = (*Tx)(nil)
	_ personchange.Tx       = (*Tx)(nil)
	_ abac.Tx               = (*Tx)(nil)
	_ approval.Tx           = (*Tx)(nil)
	_ emergency.Tx          = (*Tx)(nil)
	_ job.Tx                = (*Tx)(nil)
	_ declaration.SealTx    = (*Tx)(nil)
	_ job.DeskTx            = (*Tx)(nil)
	_ declaration.CitizenTx = (*Tx)(nil)
	_ exchange.Tx           = (*Tx)(nil)
	_ outbox.Tx             = (*Tx)(nil)
	_ payment.Tx            = (*Tx)(nil)
	_ push.Tx               = (*Tx)(nil)
	_ verification.Tx       = (*Tx)(nil)
	_ verification.EntityTx = (*Tx)(nil)
	_ outbox.WorkTx         = (*Tx)(nil)
	_ outbox.DeskTx         = (*Tx)(nil)
	_ composition.Tx        = (*Tx)(nil)
	_ query.CompositionsTx  = (*Tx)(nil)

	_ record.Tx            = (*Tx)(nil)
	_ legalentity.Tx       = (*Tx)(nil)
	_ employeerequest.Tx   = (*Tx)(nil)
	_ contract.Tx          = (*Tx)(nil)
	_ address.Tx           = (*Tx)(nil)
	_ installation.Tx      = (*Tx)(nil)
	_ contract.DocumentsTx = (*Tx)(nil)
	_ prm.DivisionTx       = (*Tx)(nil)
	_ prm.BlackListTx      = (*Tx)(nil)
	_ dictionary.Tx        = (*Tx)(nil)
	_ directory.Tx         = (*Tx)(nil)
	_ medication.Tx        = (*Tx)(nil)
	_ prescription.Tx      = (*Tx)(nil)
	_ dispense.Tx          = (*Tx)(nil)

	_ intake.Store[declaration.Tx] = Port[declaration.Tx]{}
	_ query.CitizenTx              = (*Tx)(nil)
	_ query.Store                  = Questions{}
	_ access.Store                 = Port[access.Tx]{}
	_ bulk.Store                   = Port[bulk.Tx]{}
	_ sequencer.Log                = (*Store)(nil)
)
