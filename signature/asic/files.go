package asic

import "mist/signature/facts"

// File is one file of a zip archive.
type File struct {
	Name   string
	Source facts.Source
}

// Files lists the files of a zip archive that is no container of its own: the
// folder of signed documents people send. The archive is checked as a container
// is; *Refusal, facts.ErrNotThisFormat as Read says. A source compares the
// checksum when it has been read to the end.
func Files(src facts.Source) ([]File, error) {
	if !isZip(src) {
		return nil, facts.ErrNotThisFormat
	}
	a, err := openArchive(src)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range a.entries {
		if !e.directory {
			out = append(out, File{e.name, a.source(e)})
		}
	}
	return out, nil
}
