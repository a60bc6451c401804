package developer

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"mist/portal/web"
)

// contractUkrainian holds the contract's texts in Ukrainian, by the English
// text as it stands there, so that a changed text is seen to lack its own.
//
//go:embed text/contract.uk.json
var contractUkrainian []byte

// contractTexts are texts of the contract: English → Ukrainian.
type contractTexts map[string]string

func readContractTexts() (t contractTexts, err error) {
	if err := json.Unmarshal(contractUkrainian, &t); err != nil {
		return nil, fmt.Errorf("developer: reading the contract's Ukrainian texts: %w", err)
	}
	return t, nil
}

// phrase is a text of the contract in the reader's language; Lang is set where
// there is none in it, so that a screen reader speaks the other.
type phrase struct {
	Lang  string
	Parts []part
}

// part is a stretch of text, or what stood between backticks.
type part struct {
	Text string
	Code bool
}

// oneLine is a text as the catalogue keys it: the contract breaks lines where it likes.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (t contractTexts) plain(q *web.Request, english string) string {
	if q.Lang == web.Ukrainian {
		if uk, known := t[oneLine(english)]; known {
			return uk
		}
	}
	return oneLine(english)
}

// in gives a text of the contract in the language of the request.
func (t contractTexts) in(q *web.Request, english string) phrase {
	var out phrase
	if _, known := t[oneLine(english)]; q.Lang == web.Ukrainian && !known && english != "" {
		out.Lang = string(web.English)
	}
	for i, text := range strings.Split(t.plain(q, english), "`") {
		if text != "" {
			out.Parts = append(out.Parts, part{text, i%2 == 1})
		}
	}
	return out
}

// paragraphs splits a description at its empty lines.
func (t contractTexts) paragraphs(q *web.Request, english string) (out []phrase) {
	for one := range strings.SplitSeq(english, "\n\n") {
		if strings.TrimSpace(one) != "" {
			out = append(out, t.in(q, one))
		}
	}
	return out
}
