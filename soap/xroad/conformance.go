package xroad

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"mist/soap"
)

// CaseResult is how a target did on one file of a corpus.
type CaseResult struct {
	File   string
	Expect string // ok, client-fault or either
	// Status is the HTTP status; zero if there was no answer.
	Status int
	// Got says in a few words what came back.
	Got string
	// Pass is the verdict; Why says what was missing.
	Pass bool
	Why  string
}

// Score is a target's result over a corpus.
type Score struct {
	Cases  []CaseResult
	Passed int
}

// WriteTo prints one line a miss and the score.
func (s Score) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	for _, c := range s.Cases {
		if !c.Pass {
			fmt.Fprintf(&b, "miss: %s: expected %s, got %s: %s\n", c.File, c.Expect, c.Got, c.Why)
		}
	}
	fmt.Fprintf(&b, "score: x-road messages %d/%d\n", s.Passed, len(s.Cases))
	n, err := w.Write(b.Bytes())
	return int64(n), err
}

// Conformance posts every message of a folder to a target and scores the
// answers. The folder's MANIFEST.tsv has the columns file, content_type and
// expect: ok (an answer with the request's headers), client-fault (a SOAP fault
// that blames the client) or either. An error means the folder cannot be read.
func Conformance(ctx context.Context, client *http.Client, target, dir string) (Score, error) {
	rows, err := manifest(filepath.Join(dir, "MANIFEST.tsv"))
	if err != nil {
		return Score{}, err
	}
	var score Score
	for _, row := range rows {
		body, err := os.ReadFile(filepath.Join(dir, filepath.Base(row["file"])))
		if err != nil {
			return Score{}, fmt.Errorf("reading a case: %w", err)
		}
		c := CaseResult{File: row["file"], Expect: row["expect"]}
		c.judge(ctx, client, target, row["content_type"], body)
		if c.Pass {
			score.Passed++
		}
		score.Cases = append(score.Cases, c)
	}
	if len(score.Cases) == 0 {
		return score, errors.New("the manifest lists no case")
	}
	return score, nil
}

func manifest(path string) ([]map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the manifest: %w", err)
	}
	defer f.Close()
	var head []string
	var rows []map[string]string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		cells := strings.Split(strings.TrimRight(lines.Text(), "\r"), "\t")
		if head == nil {
			head = cells
			continue
		}
		if cells[0] == "" || strings.HasPrefix(cells[0], "#") {
			continue
		}
		row := map[string]string{}
		for i, cell := range cells[:min(len(cells), len(head))] {
			row[strings.TrimSpace(head[i])] = strings.TrimSpace(cell)
		}
		for _, need := range []string{"file", "content_type", "expect"} {
			if row[need] == "" {
				return nil, fmt.Errorf("the manifest has a row without %s", need)
			}
		}
		rows = append(rows, row)
	}
	return rows, lines.Err()
}

// judge sends one message and compares.
func (c *CaseResult) judge(ctx context.Context, client *http.Client, target, contentType string, body []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		c.Got, c.Why = "nothing", err.Error()
		return
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("SOAPAction", `""`)
	resp, err := client.Do(req)
	if err != nil {
		c.Got, c.Why = "no answer", err.Error()
		return
	}
	defer resp.Body.Close()
	c.Status = resp.StatusCode
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		c.Got, c.Why = "a broken answer", err.Error()
		return
	}
	reply, err := soap.ReadReply(resp.Header.Get("Content-Type"), bytes.NewReader(answer), soap.Limits{}, "")
	var fault *soap.Fault
	switch {
	case errors.As(err, &fault):
		defer reply.Close()
		c.Got = "fault " + fault.Code
		c.judgeFault(fault, answer)
	case err != nil:
		c.Got, c.Why = fmt.Sprintf("HTTP %d", c.Status), err.Error()
	default:
		defer reply.Close()
		c.Got = "an answer"
		c.judgeAnswer(contentType, body, reply)
	}
}

// traces betray the inside of a server in a fault.
var traces = []string{"\tat ", "Traceback (most recent", "goroutine ", "java.lang.", "SQLSTATE"}

func (c *CaseResult) judgeFault(f *soap.Fault, answer []byte) {
	for _, t := range traces {
		if bytes.Contains(answer, []byte(t)) {
			c.Why = "the fault shows a stack trace or SQL"
			return
		}
	}
	switch c.Expect {
	case "ok":
		c.Why = "an answer was due: " + f.Reason
	case "client-fault":
		if f.Class == soap.ServerFault {
			c.Why = "the fault blames the server"
			return
		}
		c.Pass = true
	default:
		c.Pass = true
	}
}

func (c *CaseResult) judgeAnswer(contentType string, body []byte, reply *soap.Reply) {
	if c.Expect == "client-fault" {
		c.Why = "a fault was due"
		return
	}
	if c.Status != http.StatusOK {
		c.Why = fmt.Sprintf("an answer with HTTP status %d", c.Status)
		return
	}
	lenient := Protocol{AnyMajor: true, EmptyID: true}
	request, err := soap.ReadReply(contentType, bytes.NewReader(body), soap.Limits{}, "")
	if err != nil {
		// Answered what we ourselves cannot read; only "either" cases may be like that.
		c.Pass = c.Expect == "either"
		c.Why = "the request cannot be compared: " + err.Error()
		return
	}
	defer request.Close()
	want, err := ParseHeader(request.Envelope, lenient)
	if err != nil {
		c.Pass = c.Expect == "either"
		c.Why = "the request cannot be compared: " + err.Error()
		return
	}
	got, err := ParseHeader(reply.Envelope, lenient)
	if err != nil {
		c.Why = "the answer's X-Road headers: " + err.Error()
		return
	}
	if err := Consistent(want, got); err != nil {
		c.Why = err.Error()
		return
	}
	if got.ProtocolVersion != want.ProtocolVersion {
		c.Why = "protocolVersion was not echoed"
		return
	}
	if reply.Payload.Local != want.Service.Code+"Response" {
		c.Why = "the body element is not " + want.Service.Code + "Response"
		return
	}
	c.Pass = true
}
