package cert

import (
	"mist/signature/algo"
	"mist/signature/internal/ber"
)

// QC types (EN 319 412-5, 4.2.3).
const (
	QCTypeSign = "esign"
	QCTypeSeal = "eseal"
	QCTypeWeb  = "web"
)

const (
	qcCompliance = "0.4.0.1862.1.1"
	qcSSCD       = "0.4.0.1862.1.4"
	qcType       = "0.4.0.1862.1.6"
	qcLegis      = "0.4.0.1862.1.7"
	qcUA         = algo.UA + ".2.1" // qualified under the law of 2003
)

// readQC reads qcStatements. Statements that are not known are listed.
func (c *Certificate) readQC(e ber.Element) error {
	q := &c.Ext.QC
	for k := e.Children(); !k.Empty(); {
		s, err := k.Expect(ber.Sequence)
		if err != nil {
			return err
		}
		sc := s.Children()
		o, err := sc.Expect(ber.OID)
		if err != nil {
			return err
		}
		oid, err := o.OID()
		if err != nil {
			return err
		}
		q.Statements = append(q.Statements, oid)
		switch oid {
		case qcCompliance:
			q.Compliance = true
		case qcSSCD:
			q.SSCD = true
		case qcUA:
			q.UA = true
		case qcType, qcLegis:
			list, err := sc.Expect(ber.Sequence)
			if err != nil {
				return err
			}
			for l := list.Children(); !l.Empty(); {
				v, err := l.Next()
				if err != nil {
					return err
				}
				if oid == qcLegis {
					if t, err := v.Text(); err == nil {
						q.Countries = append(q.Countries, t)
					}
					continue
				}
				t, err := v.OID()
				if err != nil {
					return err
				}
				switch t {
				case "0.4.0.1862.1.6.1":
					t = QCTypeSign
				case "0.4.0.1862.1.6.2":
					t = QCTypeSeal
				case "0.4.0.1862.1.6.3":
					t = QCTypeWeb
				}
				q.Types = append(q.Types, t)
			}
		}
	}
	return nil
}
