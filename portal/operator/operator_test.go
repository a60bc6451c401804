package operator

import (
	"testing"

	"mist/portal/web/webtest"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "ops.pair.differs.", "ops.pair.member.", "ops.merge.state.", "ops.job.replay.", "ops.job.discard.",
		"ops.register.circuit.", "ops.message.status.", "ops.message.reason.", "ops.message.replay.", "ops.message.discard.", "ops.check.stream.", "ops.check.reason.", "ops.check.status.",
		"ops.payments.kind.", "ops.payments.wrong.", "ops.payment.status.", "ops.payment.line.", "ops.payment.difference.")
}
