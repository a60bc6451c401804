package developer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"mist/portal"
	"mist/portal/web"
	"mist/portal/web/webtest"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "changes.kind.", "code.", "rule.", "outcome.")
	all, err := web.ReadTexts(files)
	require.NoError(t, err)
	for _, k := range portal.ErrorKinds() {
		require.Contains(t, all[web.Ukrainian], "code."+string(k.Code))
		require.Contains(t, all[web.Ukrainian], "code."+string(k.Code)+".repair")
	}
	for _, r := range rules {
		require.Contains(t, all[web.Ukrainian], "rule."+r)
	}
	for _, o := range outcomes {
		require.Contains(t, all[web.Ukrainian], "outcome."+o.Name)
	}
}

// Every operation speaks Ukrainian: its group, its summary and its description.
// What the catalogue holds stands in the contract, so that nothing in it is out
// of date; words of both alphabets are not mixed.
func TestContractSpeaksUkrainian(t *testing.T) {
	texts, err := readContractTexts()
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(portal.Spec())
	require.NoError(t, err)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for _, english := range append([]string{op.Summary, op.Tags[0]}, strings.Split(op.Description, "\n\n")...) {
				if english = oneLine(english); english != "" {
					require.NotEmpty(t, texts[english], "%s %s: text/contract.uk.json lacks %q", method, path, english)
				}
			}
		}
	}
	contract := oneLine(string(portal.Spec()))
	for english, ukrainian := range texts {
		require.False(t, webtest.Mixed(ukrainian), "mixed letters: %s", ukrainian)
		require.Regexp(t, "[А-Яа-яІіЇїЄєҐґ]|^\\*", ukrainian, english)
		quoted, err := json.Marshal(english)
		require.NoError(t, err)
		require.True(t, strings.Contains(contract, english) || strings.Contains(contract, string(quoted)), "the contract says this no more: %q", english)
	}
}

// The outcomes the page of test keys promises are those its scripts demand.
func TestOutcomesAreRun(t *testing.T) {
	for _, o := range outcomes {
		b, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "scripts", o.Script+".txtar"))
		require.NoError(t, err)
		require.Contains(t, string(b), "status "+strconv.Itoa(o.Status), o.Name)
		require.Contains(t, string(b), o.Reason, o.Name)
	}
}

// Each error type has a refusal that a script ran, or cannot be had on demand.
func TestRefusalsAreShown(t *testing.T) {
	_, refused, err := readExamples()
	require.NoError(t, err)
	onDemand := 0
	for _, k := range portal.ErrorKinds() {
		if len(refused[k.Type]) > 0 {
			onDemand++
		}
	}
	require.GreaterOrEqual(t, onDemand, 9)
}

func TestCompared(t *testing.T) {
	require.False(t, compared([]byte(`{}`), nil).Compared)
	same := compared([]byte(`{"a":1}`), []byte(`{"a":1}`))
	require.True(t, same.Same && same.SameJSON)
	written := compared([]byte(`{"a": 1}`), []byte(`{"a":1}`))
	require.True(t, !written.Same && written.SameJSON)
	require.Equal(t, 5, written.Offset)
	other := compared([]byte(`{"a":{"b":2},"c":1}`), []byte(`{"a":{"b":1},"c":1}`))
	require.False(t, other.SameJSON)
	require.Equal(t, []string{"/a/b"}, other.Pointers)
	text := compared([]byte(`abc`), []byte(`abd`))
	require.False(t, text.Same || text.SameJSON)
	require.Equal(t, 2, text.Offset)
}

// The change log names operations that exist, newest first, in both languages;
// what the contract calls deprecated stands there with the day it ends.
func TestChanges(t *testing.T) {
	list, err := readChanges()
	require.NoError(t, err)
	require.NotEmpty(t, list)
	doc, err := openapi3.NewLoader().LoadFromData(portal.Spec())
	require.NoError(t, err)
	operations := (&pages{doc: doc}).operations()
	ends := map[string]string{}
	for i, c := range list {
		require.Contains(t, changeMarks, c.Kind)
		require.NotEmpty(t, c.UK)
		require.NotEmpty(t, c.EN)
		_, err := time.Parse(time.DateOnly, c.Date)
		require.NoError(t, err)
		if i > 0 {
			require.LessOrEqual(t, c.Date, list[i-1].Date)
		}
		for _, id := range c.Operations {
			if c.Kind != "removed" {
				require.Contains(t, operations, id)
			}
			if c.Kind == "deprecated" {
				_, err := time.Parse(time.DateOnly, c.Removal)
				require.NoError(t, err, "%s has no day it ends", id)
				ends[id] = c.Removal
			}
		}
	}
	for id, deprecated := range operations {
		if deprecated {
			require.Contains(t, ends, id, "the contract calls it deprecated, the change log does not say until when it works")
		}
	}
}
