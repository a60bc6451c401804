package auditor

import (
	"testing"

	"mist/portal/web/webtest"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "audit.export.state.", "audit.act.", "audit.kind.", "audit.as.", "audit.basis.", "audit.answer.")
}
