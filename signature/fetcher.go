package signature

import "context"

// Fetcher gets validation data from outside. The verifier has none of its
// own: signature/trust/fetch implements it for servers, tests use a map, and
// a nil Fetcher keeps verification offline. Answers are raw bytes; the
// verifier parses and checks them like anything found in a document.
type Fetcher interface {
	// OCSP posts a DER OCSPRequest and returns the DER OCSPResponse.
	OCSP(ctx context.Context, url string, request []byte) ([]byte, error)
	// CRL returns a DER or PEM certificate revocation list.
	CRL(ctx context.Context, url string) ([]byte, error)
	// Certificate returns a DER, PEM or PKCS #7 answer of an AIA caIssuers URL.
	Certificate(ctx context.Context, url string) ([]byte, error)
}
