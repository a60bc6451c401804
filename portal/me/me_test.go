package me

import (
	"testing"

	"mist/portal/web/webtest"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "me.act.", "me.case.", "me.state.", "me.how.", "me.filter.", "me.group.", "me.prescription.state.")
}
