package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/notify"
)

// issueOTP sets a fresh code, another one than before. It is on its way when
// the transaction commits; an earlier code is void from then on.
func (s *Service[T]) issueOTP(ctx context.Context, tx T, d *Draft, now time.Time) error {
	if d.OTPMAC != nil {
		d.OTPEarlier = append(d.OTPEarlier, d.OTPMAC)
		if err := notify.Withdraw(ctx, tx, d.ID); err != nil {
			return err
		}
	}
	code := s.newCode()
	for slices.ContainsFunc(d.OTPEarlier, func(earlier []byte) bool { return hmac.Equal(earlier, s.mac(d.ID, code)) }) {
		code = s.newCode()
	}
	d.OTPMAC = s.mac(d.ID, code)
	d.OTPTriesLeft, d.OTPExpiresAt, d.UpdatedAt = s.limits.OTPTries, now.Add(s.limits.OTPTTL), now
	err := notify.Enqueue(ctx, tx, s.source, notify.Notice{
		Channel: notify.SMS, To: d.Phone, Template: notify.OTP, About: d.ID, Expires: d.OTPExpiresAt,
		Values: map[string]string{"code": code, "minutes": strconv.Itoa(int(math.Ceil(s.limits.OTPTTL.Minutes())))},
	})
	if err != nil {
		return fmt.Errorf("sending a code: %w", err)
	}
	return nil
}

// newCode is four digits, the first three 1–9, the last the Luhn digit of the
// others (domain notes 1.11).
func (s *Service[T]) newCode() string {
	var code [4]byte
	for i := 0; i < 3; {
		// 252 = 28·9: the rest is thrown away so that each digit is equally likely.
		if b := s.source.Bytes(1)[0]; b < 252 {
			code[i] = '1' + b%9
			i++
		}
	}
	sum := 0
	for i := range 3 {
		n := int(code[2-i] - '0')
		if i%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	code[3] = '0' + byte((10-sum%10)%10)
	return string(code[:])
}

func (s *Service[T]) mac(id registry.ID, code string) []byte {
	m := hmac.New(sha256.New, s.otpKey)
	m.Write(id[:])
	m.Write([]byte(code))
	return m.Sum(nil)
}

// missed counts a code that was not the one sent: over all requests of the
// clinic, for whoever guesses makes new ones.
func (s *Service[T]) missed(ctx context.Context, tx T, d Draft, refusal error, now time.Time) error {
	if reason := registry.AsError(refusal).Reason; reason != "otp_wrong" {
		return nil
	}
	return tx.CountMiss(ctx, d.Phone, d.LegalEntityID, now)
}

func (s *Service[T]) checkOTP(d *Draft, code string, now time.Time) error {
	forbid := func(reason, text string) error {
		return registry.Errorf(registry.CodeForbidden, "%s", text).WithReason(reason)
	}
	switch {
	case code == "":
		return registry.Invalid(registry.FieldError{Entry: "$.verification_code", Rule: "required", Description: "required property verification_code was not present"})
	case d.OTPTriesLeft <= 0:
		return forbid("otp_exhausted", "Maximum attempts exceed; ask for a new code")
	case now.After(d.OTPExpiresAt):
		return forbid("otp_expired", "Verification code expired; ask for a new code")
	}
	d.OTPTriesLeft--
	d.UpdatedAt = now
	mac := s.mac(d.ID, code)
	if !hmac.Equal(d.OTPMAC, mac) {
		for _, earlier := range d.OTPEarlier {
			if hmac.Equal(earlier, mac) {
				return forbid("otp_superseded", fmt.Sprintf("A newer verification code was sent; use that one; tries left: %d", d.OTPTriesLeft))
			}
		}
		return forbid("otp_wrong", fmt.Sprintf("Invalid verification code; tries left: %d", d.OTPTriesLeft))
	}
	return nil
}
