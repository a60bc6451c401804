package developer

import (
	"embed"
	"net/http"

	"mist/portal/web"
)

// sampleFiles are whole programs; fixtures/scripts runs each against a server.
//
//go:embed samples
var sampleFiles embed.FS

// Sample is a program that takes its first steps with the registry.
type Sample struct {
	// Name of the language, File in samples, Run how it is started.
	Name, File, Run string
	// Code is the whole text.
	Code string
}

// Samples lists the programs.
func Samples() ([]Sample, error) {
	list := []Sample{
		{Name: "curl", File: "curl.sh", Run: "bash curl.sh"},
		{Name: "Go", File: "go/main.go", Run: "go run main.go"},
		{Name: "PHP", File: "sample.php", Run: "php sample.php"},
		{Name: "C#", File: "Sample.cs", Run: "mcs -r:System.Net.Http -r:System.Runtime.Serialization Sample.cs && mono Sample.exe"},
	}
	for i := range list {
		b, err := sampleFiles.ReadFile("samples/" + list[i].File)
		if err != nil {
			return nil, err
		}
		list[i].Code = string(b)
	}
	return list, nil
}

func (p *pages) samples(w http.ResponseWriter, q *web.Request) error {
	list, err := Samples()
	if err != nil {
		return err
	}
	data := struct {
		BaseURL string
		Client  *Client
		List    []Sample
	}{BaseURL: p.BaseURL, List: list}
	if p.Sandbox != nil {
		data.Client = p.Sandbox().first()
	}
	return q.Render(w, web.Page{Template: "samples", Title: q.T("samples.title"), Data: data})
}
