#!/usr/bin/env bash
# SUMMARY: Grafana's Go SDK: a frame's time of year 1 or 9999 comes back from JSON and from Arrow as one between 1677 and 2262
# Expected: a time of a data frame survives the trip through MarshalJSON and UnmarshalJSON, and through MarshalArrow and
# UnmarshalArrowFrame, or an error is returned: data.Frame takes any time.Time, and the JSON itself has milliseconds, which say them all.
# Seen (grafana-plugin-sdk-go v0.299.0): no error from any of the four functions, and
#   time.Time{} (0001-01-01)  -> 1754-08-30T22:43:41.128654848Z
#   9999-12-31T00:00:00Z      -> 1816-03-29T05:56:08.066277376Z
#   2262-04-12T00:00:00Z      -> 1677-09-21T00:25:26.290448384Z (the first whole day that int64 nanoseconds do not reach)
# The text of the JSON is right (-62135596800000); the reader multiplies it to nanoseconds, which overflow, and the Arrow
# writer stores UnixNano().
# Why it matters: 9999-12-31 ("valid for ever") and the zero time (no value scanned) are ordinary in SQL tables. A backend that reads
# frames of another (expressions, alerting, caching, a plugin that is asked by gRPC, where frames travel as Arrow) sees plausible dates
# of the 18th and 19th century; a time axis is sorted wrongly, gaps of centuries are outliers, and no check for the sentinel finds it.
# What to do: make such times null (*time.Time) before a frame is made, or bound the times of a query to 1678 to 2261.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'G'
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

func must(err error) {
	if err != nil {
		fmt.Println("no longer so: an error is returned:", err)
		os.Exit(1)
	}
}

func main() {
	times := []time.Time{
		{},
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC),
		time.Date(2023, 11, 14, 22, 13, 20, 123456789, time.UTC),
	}
	frame := data.NewFrame("times", data.NewField("time", nil, times))
	text, err := json.Marshal(frame)
	must(err)
	fmt.Println(string(text))
	var fromJSON data.Frame
	must(json.Unmarshal(text, &fromJSON))
	arrow, err := frame.MarshalArrow()
	must(err)
	fromArrow, err := data.UnmarshalArrowFrame(arrow)
	must(err)
	wrong := 0
	for i, want := range times {
		a := fromJSON.Fields[0].At(i).(time.Time).UTC()
		b := fromArrow.Fields[0].At(i).(time.Time).UTC()
		fmt.Println(want.Format(time.RFC3339Nano), "-> JSON", a.Format(time.RFC3339Nano), "Arrow", b.Format(time.RFC3339Nano))
		if !a.Equal(want) && !b.Equal(want) {
			wrong++
		}
	}
	if wrong != 3 {
		fmt.Println("no longer so: times that came back changed:", wrong)
		os.Exit(1)
	}
	fmt.Println("seen: three of four times came back as others")
}
G
cat > go.mod <<'M'
module example

go 1.26
M
nice -n 15 go get github.com/grafana/grafana-plugin-sdk-go@v0.299.0 > get.log 2>&1 || { cat get.log; exit 1; }
nice -n 15 go mod tidy > tidy.log 2>&1 || { cat tidy.log; exit 1; }
nice -n 15 go run .
