package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestMayHoldIdentifier(t *testing.T) {
	for _, text := range []string{
		"2222222225", "user-2222222225", "2222222225-1", "19900228-01234", "req.19900228-01234", "1990-02-28-01234", "tel380931234567", "+380 93 123 45 67",
		"ID123456789", "AB123456", "x-AB123456", "КВ123456", "222.222.222.5",
	} {
		require.True(t, registry.MayHoldIdentifier(text), text)
	}
	for _, text := range []string{
		"", "req-1", "order-1234567", "01890a5d-ac96-774b-bcce-b302099a8057", "4bf92f3577b34da6a3ce929d0e0e4736", "abc123456", "v1.2.3-rc4", "trace-7f3a-1234",
	} {
		require.False(t, registry.MayHoldIdentifier(text), text)
	}
}
