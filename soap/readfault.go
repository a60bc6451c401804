package soap

import (
	"strings"
)

// ReadFault takes the fault out of an answer that IsFault: its class, its
// stable code when the detail carries a ServiceFault, else the code after the
// prefix, and the reason. Foreign faults of either version are read too.
func ReadFault(e *Envelope) (*Fault, error) {
	sc := new(scanner)
	doc := e.Payload.Standalone()
	sc.reset(doc)
	f := &Fault{Class: ServerFault}
	var path []string
	var text []byte
	for {
		ev, err := sc.next()
		if err != nil {
			return nil, err
		}
		switch ev {
		case evEOF:
			if f.Code == "" {
				f.Code = f.Class.name(V11)
			}
			return f, nil
		case evStart:
			path = append(path, string(sc.local))
			text = text[:0]
		case evText:
			text = appendText(text, doc[sc.text.start:sc.text.end])
		case evEnd:
			value := strings.TrimSpace(string(text))
			switch strings.Join(path, "/") {
			case "Fault/faultcode", "Fault/Code/Value":
				f.setClass(value)
			case "Fault/faultstring", "Fault/Reason/Text":
				f.Reason = value
			case "Fault/detail/ServiceFault/code", "Fault/Detail/ServiceFault/code":
				f.Code = value
			case "Fault/detail/ServiceFault/trackingId", "Fault/Detail/ServiceFault/trackingId":
				f.TrackingID = value
			}
			path = path[:len(path)-1]
			text = text[:0]
		}
	}
}

// setClass reads a fault code such as S:Client, SOAP-ENV:Server.x or Sender.
func (f *Fault) setClass(code string) {
	_, local, ok := strings.Cut(code, ":")
	if !ok {
		local = code
	}
	switch first, _, _ := strings.Cut(local, "."); first {
	case "Client", "Sender":
		f.Class = ClientFault
	case "MustUnderstand":
		f.Class = MustUnderstand
	case "VersionMismatch":
		f.Class = VersionMismatch
	default:
		f.Class = ServerFault
	}
	if local != "Client" && local != "Server" && local != "Sender" && local != "Receiver" {
		f.Code = local
	}
}
