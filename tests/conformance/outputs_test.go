package conformance

import (
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// dropped is the time at which the signal falling drops to zero, for good.
var dropped = noon.Add(-3 * time.Hour).Truncate(fiveMinutes)

func falling(at time.Time) float64 {
	if at.Before(dropped) {
		return level(at)
	}
	return 0
}

func TestStateOutput(t *testing.T) {
	for _, series := range host(t).frames(t, generator, query(JSON{"source": everySeries, "output": "state"}, 7*24*time.Hour)).series(t) {
		if fields := names(series.Frame); !slices.Equal(fields, []string{"time", "state"}) {
			t.Fatalf("fields %q, want time and state", fields)
		}
		for index, state := range series.complete(t, "state") {
			if state != 0 && state != 1 && state != -1 && state != 2 {
				t.Fatalf("state %v at %v, want 0, 1, -1 or 2", state, series.Times[index])
			}
		}
		checkMappings(t, field(t, series.Frame, "state"))
	}
}

// checkMappings checks that the four states have their names in config.mappings.
func checkMappings(t *testing.T, state *data.Field) {
	t.Helper()
	texts := map[string]string{}
	for _, mapping := range state.Config.Mappings {
		if values, isMapper := mapping.(data.ValueMapper); isMapper {
			for value, result := range values {
				texts[value] = result.Text
			}
		}
	}
	for value, text := range inOrder(map[string]string{"0": "Normal", "1": "High", "-1": "Low", "2": "Missing"}) {
		if texts[value] != text {
			t.Errorf("state %s is mapped to %q, want %q", value, texts[value], text)
		}
	}
}

func TestStatesAreTheFlaggedPoints(t *testing.T) {
	options := JSON{"source": everySeries}
	flagged := map[Instant]bool{}
	for _, series := range host(t).frames(t, generator, query(options, 7*24*time.Hour)).series(t) {
		for at := range series.flagged(t) {
			flagged[Instant{series.Key(), at}] = true
		}
	}
	options["output"] = "state"
	for _, series := range host(t).frames(t, generator, query(options, 7*24*time.Hour)).series(t) {
		for index, state := range series.complete(t, "state") {
			if want := flagged[Instant{series.Key(), series.Times[index].UnixMilli()}]; (state == 1 || state == -1) != want {
				t.Fatalf("{%s} at %v: state %v, outlier %v", series.Key(), series.Times[index], state, want)
			}
		}
	}
}

func TestDropToZeroIsLow(t *testing.T) {
	upstream := startUpstream(t, contract(always(falling), fiveMinutes))
	series := host(t).frames(t, httpJSON(upstream.URL), query(JSON{"output": "state"}, 6*time.Hour)).single(t)
	// It is told at once and for as long as it lasts.
	for index, state := range series.complete(t, "state") {
		if at := series.Times[index]; !at.Before(dropped) && state != -1 {
			t.Fatalf("state %v at %v, want -1: the series fell from 100 to 0 at %v", state, at, dropped)
		}
	}
}

func TestMissingDataHasAStateOfItsOwn(t *testing.T) {
	gap := func(at time.Time) bool { return at.UTC().Hour() == 8 || at.UTC().Hour() == 9 }
	upstream := startUpstream(t, contract(func(at time.Time) (float64, bool) { return level(at), !gap(at) }, fiveMinutes))
	series := host(t).frames(t, httpJSON(upstream.URL), query(JSON{"output": "state"}, 6*time.Hour)).single(t)
	missing := 0
	for index, state := range series.complete(t, "state") {
		at := series.Times[index]
		if (state == 2) != gap(at) {
			t.Fatalf("state %v at %v, want 2 (missing) in the gap and nowhere else", state, at)
		}
		if state == 2 {
			missing++
		}
	}
	if missing == 0 {
		t.Error("no point has the state 2 (missing), although two hours are")
	}
}

func TestDirectionLimitsWhatIsFlagged(t *testing.T) {
	states := func(t *testing.T, direction string) map[Instant]uint64 {
		options := wild(nil)
		options["direction"], options["output"] = direction, "state"
		return host(t).frames(t, generator, query(options, 7*24*time.Hour)).bits(t, "state")
	}
	count := func(states map[Instant]uint64) (high, low int) {
		for _, bits := range states {
			switch bits {
			case bitsOf(1):
				high++
			case bitsOf(-1):
				low++
			}
		}
		return high, low
	}
	high, low := count(states(t, "both"))
	if high == 0 || low == 0 {
		t.Fatalf("%d high and %d low outliers, want some of both", high, low)
	}
	if h, l := count(states(t, "high")); h != high || l != 0 {
		t.Errorf("direction high: %d high and %d low, want %d and 0", h, l, high)
	}
	if h, l := count(states(t, "low")); h != 0 || l != low {
		t.Errorf("direction low: %d high and %d low, want 0 and %d", h, l, low)
	}
}

func TestScoreOutput(t *testing.T) {
	options := JSON{"source": everySeries}
	whole := host(t).frames(t, generator, query(options, 24*time.Hour)).bits(t, "score")
	options["output"] = "score"
	answer := host(t).frames(t, generator, query(options, 24*time.Hour))
	for _, series := range answer.series(t) {
		if fields := names(series.Frame); !slices.Equal(fields, []string{"time", "score"}) {
			t.Errorf("fields %q, want time and score", fields)
		}
	}
	sameBits(t, "score", whole, answer.bits(t, "score"), 4*96)
}

// TestSeriesOutput: one row a series, the most conspicuous first, with what the points say.
func TestSeriesOutput(t *testing.T) {
	options := JSON{"source": everySeries, "detector": JSON{"kind": "peers"}}
	points := map[string]Series{}
	for _, series := range host(t).frames(t, generator, query(options, 24*time.Hour)).series(t) {
		points[series.Name] = series
	}
	options["output"] = "series"
	answer := host(t).frames(t, generator, query(options, 24*time.Hour))
	if len(answer) != 1 || (answer[0].Meta != nil && answer[0].Meta.Type != "") {
		t.Fatalf("%d frames, want one without a type", len(answer))
	}
	table := Series{Frame: answer[0]}
	if rows, err := table.RowLen(); err != nil || rows != len(points) {
		t.Fatalf("%d rows (%v), want one for each of %d series", rows, err, len(points))
	}
	scores, flagged := table.numbers(t, "seriesScore"), table.numbers(t, "flagged")
	for row := range len(points) {
		name, _ := field(t, table.Frame, "series").ConcreteAt(row)
		series, known := points[name.(string)]
		if !known {
			t.Fatalf("row %d is of %q, which is no series", row, name)
		}
		last, _ := series.present(t, "seriesScore")
		if *scores[row] != last[len(last)-1] {
			t.Errorf("%s: series score %v, the last point has %v", name, *scores[row], last[len(last)-1])
		}
		if row > 0 && *scores[row] > *scores[row-1] {
			t.Errorf("row %d has a higher series score than the one before it", row)
		}
		if any := len(series.flagged(t)) > 0; any != (*flagged[row] > 0) {
			t.Errorf("%s: a share of %v is flagged, points: %v", name, *flagged[row], any)
		}
	}
}

func TestEventsOutput(t *testing.T) {
	answer := host(t).frames(t, generator, query(JSON{"source": everySeries, "output": "events"}, 7*24*time.Hour))
	if len(answer) != 1 {
		t.Fatalf("%d frames, want one for all series", len(answer))
	}
	frame := answer[0]
	if frame.Meta != nil && frame.Meta.Type != "" {
		t.Errorf("the events have the type %q, want none", frame.Meta.Type)
	}
	want := []string{"time", "timeEnd", "title", "text", "tags", "id", "series", "value", "expected", "score", "direction"}
	if got := names(frame); !slices.Equal(got, want) {
		t.Fatalf("fields %q, want %q", got, want)
	}
	for _, name := range want {
		switch kind := field(t, frame, name).Type(); name {
		case "time", "timeEnd":
			if !kind.Time() {
				t.Errorf("field %q is of type %v, want a time", name, kind)
			}
		case "value", "expected", "score":
			if !kind.Numeric() {
				t.Errorf("field %q is of type %v, want a number", name, kind)
			}
		default:
			if kind.NonNullableType() != data.FieldTypeString {
				t.Errorf("field %q is of type %v, want text", name, kind)
			}
		}
	}
	rows, err := frame.RowLen()
	if err != nil || rows == 0 {
		t.Fatalf("%d rows (%v), want some: the generator places outliers", rows, err)
	}
	seen := map[string]bool{}
	for row := range rows {
		event := eventAt(t, frame, row)
		if event.End.Before(event.Start) {
			t.Errorf("event %d ends at %v, before it begins at %v", row, event.End, event.Start)
		}
		if event.Title == "" || event.Text == "" || event.Series == "" {
			t.Errorf("event %d lacks a title, a text or a series: %+v", row, event)
		}
		if event.ID == "" || seen[event.ID] {
			t.Errorf("event %d has the id %q, want one of its own", row, event.ID)
		}
		seen[event.ID] = true
		if !slices.Contains([]string{"high", "low", "missing"}, event.Direction) {
			t.Errorf("event %d has the direction %q, want high, low or missing", row, event.Direction)
		}
	}
}

// Event is a row of the events.
type Event struct {
	Start, End                         time.Time
	Title, Text, ID, Series, Direction string
}

func eventAt(t *testing.T, frame *data.Frame, row int) Event {
	t.Helper()
	text := func(name string) string {
		value, present := field(t, frame, name).ConcreteAt(row)
		if !present {
			return ""
		}
		return value.(string)
	}
	start, present := field(t, frame, "time").ConcreteAt(row)
	if !present {
		t.Fatalf("event %d has no time", row)
	}
	event := Event{
		Start: start.(time.Time), End: start.(time.Time), Title: text("title"), Text: text("text"),
		ID: text("id"), Series: text("series"), Direction: text("direction"),
	}
	if end, present := field(t, frame, "timeEnd").ConcreteAt(row); present {
		event.End = end.(time.Time)
	}
	return event
}

func TestEventsCoverTheFlaggedPoints(t *testing.T) {
	options := wild(nil)
	flagged := host(t).frames(t, generator, query(options, 7*24*time.Hour)).single(t).flagged(t)
	options["output"] = "events"
	frame := host(t).frames(t, generator, query(options, 7*24*time.Hour))[0]
	rows, err := frame.RowLen()
	if err != nil {
		t.Fatal(err)
	}
	covered := map[int64]bool{}
	for row := range rows {
		event := eventAt(t, frame, row)
		within := 0
		for at := range flagged {
			if at >= event.Start.UnixMilli() && at <= event.End.UnixMilli() {
				covered[at] = true
				within++
			}
		}
		if within == 0 {
			t.Errorf("the event from %v to %v covers no flagged point", event.Start, event.End)
		}
	}
	if len(covered) != len(flagged) {
		t.Errorf("the events cover %d of %d flagged points", len(covered), len(flagged))
	}
}
