package main

import (
	"context"
	"fmt"
	"time"

	"mist/registry/notify"
	"mist/registry/postgres"
)

// alarmMonths: the tables of the months to come are made by a job.
var alarmMonths = notify.Alarm{Name: "log_months", Runbook: "No month of the log is made ahead"}

// monthsAhead fails when less than a month is left for which the log has tables.
func monthsAhead(s *postgres.Store) func(context.Context) error {
	return func(ctx context.Context) error {
		until, err := s.MonthsLeft(ctx)
		if err != nil {
			return err
		}
		if left := time.Until(until); left < 28*24*time.Hour {
			return fmt.Errorf("the log has tables until %s only", until.Format(time.DateOnly))
		}
		return nil
	}
}
