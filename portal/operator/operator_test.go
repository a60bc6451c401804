package operator

import (
	"testing"

	"mist/portal/web/webtest"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "ops.pair.differs.", "ops.pair.member.", "ops.merge.state.", "ops.job.replay.", "ops.job.discard.")
}
