#!/usr/bin/env bash
# SUMMARY: Grafana's Go SDK: LongToWide(frame, nil) makes a missing point 0 (or null, by the column's type), and of two points keeps the last
# Expected: a series that has no row at a time has null there, or an error says that it cannot be told (nil: "no filling"); and two rows of
# the same time and labels are an error, as rows that are not in order are: the documented errors name the order, and a *time that is null.
# Seen (grafana-plugin-sdk-go v0.299.0), three rows: (t0, a, 1), (t1, b, 2), (t1, b, 7):
#   column []float64, nil:                  a: 1 0        b: 0 7         zeroes that nobody measured; 2 is gone
#   column []*float64, nil:                 a: 1 null     b: null 7
#   column []float64, FillModeNull:         a: 1 null     b: null 7      (2 is gone in all of them)
# WideToLong of the first gives four rows: the invented zeroes are then rows like all others. No notice in the frame, no error.
# Why it matters: nil is what the shortest call says, and whether a query's column is NOT NULL decides between a gap and a 0. A host that
# did not report is a host at 0: outliers downwards, alerts on "below", averages that sink with each added series. Duplicates come from joins
# and unions in SQL: which of them an alert sees is the order of the rows.
# What to do: always hand over &data.FillMissing{Mode: data.FillModeNull}, and refuse or aggregate rows of the same time and labels first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'G'
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// The values of each series, as text.
func series(frame *data.Frame) map[string]string {
	all := map[string]string{}
	for _, field := range frame.Fields[1:] {
		var values []string
		for i := 0; i < field.Len(); i++ {
			if value, ok := field.ConcreteAt(i); ok {
				values = append(values, fmt.Sprint(value))
			} else {
				values = append(values, "null")
			}
		}
		all[field.Labels["host"]] = strings.Join(values, " ")
	}
	return all
}

func main() {
	t0 := time.Unix(1700000000, 0).UTC()
	t1 := t0.Add(time.Minute)
	one, two, seven := 1.0, 2.0, 7.0
	long := func(values any) *data.Frame {
		return data.NewFrame("long", data.NewField("time", nil, []time.Time{t0, t1, t1}),
			data.NewField("host", nil, []string{"a", "b", "b"}), data.NewField("load", nil, values))
	}
	wrong := false
	check := func(name string, frame *data.Frame, fill *data.FillMissing, a, b string) *data.Frame {
		wide, err := data.LongToWide(frame, fill)
		if err != nil {
			fmt.Println("no longer so:", name, err)
			os.Exit(1)
		}
		got := series(wide)
		fmt.Printf("%s: a: %s; b: %s; notices: %v\n", name, got["a"], got["b"], wide.Meta != nil && len(wide.Meta.Notices) > 0)
		wrong = wrong || got["a"] != a || got["b"] != b
		return wide
	}
	wide := check("[]float64, nil", long([]float64{1, 2, 7}), nil, "1 0", "0 7")
	check("[]*float64, nil", long([]*float64{&one, &two, &seven}), nil, "1 null", "null 7")
	check("[]float64, FillModeNull", long([]float64{1, 2, 7}), &data.FillMissing{Mode: data.FillModeNull}, "1 null", "null 7")
	back, err := data.WideToLong(wide)
	if err != nil {
		fmt.Println("no longer so:", err)
		os.Exit(1)
	}
	fmt.Println("and back:", back.Rows(), "rows of", long([]float64{1, 2, 7}).Rows())
	if wrong || back.Rows() != 4 {
		fmt.Println("no longer so")
		os.Exit(1)
	}
	fmt.Println("seen: zeroes that nobody measured")
}
G
cat > go.mod <<'M'
module example

go 1.26
M
nice -n 15 go get github.com/grafana/grafana-plugin-sdk-go@v0.299.0 > get.log 2>&1 || { cat get.log; exit 1; }
nice -n 15 go mod tidy > tidy.log 2>&1 || { cat tidy.log; exit 1; }
nice -n 15 go run .
