package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func TestManyQueriesInARequest(t *testing.T) {
	var queries []Query
	for index := range 50 {
		queries = append(queries, Query{
			RefID: fmt.Sprintf("Q%d", index),
			JSON:  JSON{"source": JSON{"kind": "generator", "seed": index}}.String(),
			From:  noon.Add(-time.Duration(index+1) * time.Hour),
		})
	}
	responses := host(t).ask(t, generator, queries...)
	for _, each := range queries {
		series := succeeded(t, each.RefID, responses[each.RefID]).single(t)
		onGrid(t, series, each, 5*time.Minute)
	}
}

func TestOddRefIDs(t *testing.T) {
	ids := []string{"A B", "ä/ö", "$__expr", "0"}
	var queries []Query
	for _, id := range ids {
		queries = append(queries, Query{RefID: id})
	}
	for id, response := range host(t).ask(t, generator, queries...) {
		succeeded(t, id, response)
	}
}

func TestRequestWithoutQueries(t *testing.T) {
	host(t).ask(t, generator)
}

// BadQuery is a query that cannot be answered, and what its error has to mention.
type BadQuery struct {
	json     string
	mentions []string
}

func badQueries(t *testing.T) map[string]BadQuery {
	detectors := []string{"no-such"}
	for _, kind := range kinds(t).Detectors {
		detectors = append(detectors, kind.Kind)
	}
	return map[string]BadQuery{
		"malformed JSON":        {`{"source":`, nil},
		"not an object":         {`[]`, nil},
		"of the wrong type":     {`{"source":{"kind":"generator","seed":"many"}}`, []string{"seed"}},
		"unknown source":        {`{"source":{"kind":"no-such"}}`, []string{"no-such", "generator", "http-json"}},
		"unknown detector":      {`{"detector":{"kind":"no-such"}}`, detectors},
		"unknown series":        {`{"source":{"kind":"generator","series":["no-such"]}}`, []string{"no-such", "median", "sine", "cosine", "web-traffic"}},
		"unknown direction":     {`{"direction":"sideways"}`, []string{"sideways", "both", "high", "low"}},
		"unknown training":      {`{"training":"hard"}`, []string{"hard", "window", "visible-range"}},
		"unknown output":        {`{"output":"none"}`, []string{"none", "all", "state", "events", "score", "alert"}},
		"unknown method":        {`{"source":{"kind":"http-json","method":"DELETE"}}`, []string{"DELETE", "GET", "POST"}},
		"unknown time format":   {`{"source":{"kind":"http-json","timeFormat":"moon"}}`, []string{"moon", "iso8601", "auto"}},
		"newer version":         {`{"version":99}`, []string{"99", "1"}},
		"no trees":              {`{"detector":{"kind":"isolation-forest","nTrees":0}}`, []string{"nTrees", "1", "10000"}},
		"too many trees":        {`{"detector":{"kind":"isolation-forest","nTrees":10001}}`, []string{"nTrees", "10001"}},
		"sample too small":      {`{"detector":{"kind":"isolation-forest","sampleSize":1}}`, []string{"sampleSize", "2", "65536"}},
		"sample too large":      {`{"detector":{"kind":"isolation-forest","sampleSize":65537}}`, []string{"sampleSize"}},
		"extension too high":    {`{"detector":{"kind":"isolation-forest","shingle":8,"extensionLevel":8}}`, []string{"extensionLevel", "0 to 7"}},
		"unknown feature":       {`{"detector":{"kind":"isolation-forest","features":["mean"]}}`, []string{"features", "rolling-mean"}},
		"the clock alone":       {`{"detector":{"kind":"isolation-forest","features":["time-of-day"]}}`, []string{"features", "alone"}},
		"threshold too high":    {`{"detector":{"kind":"isolation-forest","threshold":1.5}}`, []string{"threshold", "1.5"}},
		"threshold negative":    {`{"detector":{"kind":"isolation-forest","threshold":-0.1}}`, []string{"threshold"}},
		"no contamination":      {`{"detector":{"kind":"isolation-forest","contamination":0}}`, []string{"contamination"}},
		"contamination > 0.5":   {`{"detector":{"kind":"isolation-forest","contamination":0.6}}`, []string{"contamination", "0.5"}},
		"no sigmas":             {`{"detector":{"kind":"mad","threshold":0}}`, []string{"threshold", "1000"}},
		"rolling, no duration":  {`{"detector":{"kind":"iqr","window":"long"}}`, []string{"window", "training"}},
		"rolling, too short":    {`{"detector":{"kind":"z-score","window":"1ms"}}`, []string{"window", "1s", "400d"}},
		"unknown change":        {`{"detector":{"kind":"changepoint","kinds":"mean"}}`, []string{"mean", "level", "variance", "both"}},
		"window too short":      {`{"trainingWindow":"59s"}`, []string{"trainingWindow"}},
		"window too long":       {`{"trainingWindow":"401d"}`, []string{"trainingWindow", "400d"}},
		"window is no duration": {`{"trainingWindow":"soon"}`, []string{"trainingWindow"}},
		"refit too often":       {`{"refitInterval":"59s"}`, []string{"refitInterval"}},
		"refit too rarely":      {`{"refitInterval":"32d"}`, []string{"refitInterval", "31d"}},
		"step is no duration":   {`{"step":"small"}`, []string{"step"}},
		"step of nothing":       {`{"step":"0s"}`, []string{"step"}},
		"outliers > 0.5":        {`{"source":{"kind":"generator","outlierShare":0.6}}`, []string{"outlierShare", "0.5"}},
	}
}

// nowhere is a data source whose server does not answer. Queries are at fault before it is asked.
func nowhere(t *testing.T) Settings {
	return httpJSON(fmt.Sprintf("http://127.0.0.1:%d", freePort(t)))
}

// fine is a query that any data source can answer.
const fine = `{"source":{"kind":"generator"}}`

func TestBadQueryAmongGoodOnes(t *testing.T) {
	for name, bad := range inOrder(badQueries(t)) {
		t.Run(name, func(t *testing.T) {
			responses := host(t).ask(t, nowhere(t), Query{RefID: "A", JSON: fine}, Query{RefID: "B", JSON: bad.json}, Query{RefID: "C", JSON: fine})
			succeeded(t, "A", responses["A"])
			succeeded(t, "C", responses["C"])
			response := responses["B"]
			refused(t, "B", response)
			if response.Status < 400 || response.Status > 499 {
				t.Errorf("status %d, want 4xx: the query is at fault", response.Status)
			}
			mentions(t, response.Error.Error(), bad.mentions...)
		})
	}
}

func TestAllBadQueriesAtOnce(t *testing.T) {
	queries := []Query{{RefID: "good", JSON: fine}}
	for name, bad := range inOrder(badQueries(t)) {
		queries = append(queries, Query{RefID: name, JSON: bad.json})
	}
	responses := host(t).ask(t, nowhere(t), queries...)
	succeeded(t, "good", responses["good"])
	for _, each := range queries[1:] {
		refused(t, each.RefID, responses[each.RefID])
	}
}

func TestBlankQueryIsAnswered(t *testing.T) {
	for name, text := range inOrder(map[string]string{"spaces": "  ", "null": "null"}) {
		t.Run(name, func(t *testing.T) {
			answered(t, "A", host(t).ask(t, generator, Query{JSON: text})["A"])
		})
	}
}

// explained is the agreed form of an error: what failed and why; what to do.
var explained = regexp.MustCompile(`(?s)^\[[a-z][a-z-]*\] .+; .+`)

func TestErrorsSayWhatWhyAndWhatToDo(t *testing.T) {
	check := func(t *testing.T, response backend.DataResponse) {
		t.Helper()
		refused(t, "A", response)
		if text := response.Error.Error(); !explained.MatchString(text) {
			t.Errorf("error %q, want [category] what failed and why; what to do", text)
		}
	}
	for name, bad := range inOrder(badQueries(t)) {
		t.Run(name, func(t *testing.T) {
			check(t, host(t).ask(t, nowhere(t), Query{JSON: bad.json})["A"])
		})
	}
	t.Run("refused connection", func(t *testing.T) {
		check(t, host(t).ask(t, httpJSON(fmt.Sprintf("http://127.0.0.1:%d", freePort(t))), Query{})["A"])
	})
	t.Run("malformed settings", func(t *testing.T) {
		check(t, host(t).ask(t, Settings{JSONData: `{`}, Query{})["A"])
	})
}

func TestErrorDoesNotEchoTheWholeQuery(t *testing.T) {
	padding := make([]string, 200)
	for index := range padding {
		padding[index] = fmt.Sprintf("padding-%d", index)
	}
	raw, err := json.Marshal(padding)
	if err != nil {
		t.Fatal(err)
	}
	response := host(t).refusal(t, generator, Query{JSON: `{"unused":` + string(raw) + `,"source":`})
	if text := response.Error.Error(); len(text) > 1000 {
		t.Errorf("an error of %d bytes: %.200s…", len(text), text)
	}
}

// extremes are ranges no panel should send; one may all the same.
var extremes = map[string][2]int64{
	"year 9999":             {253_370_764_800_000, 253_402_300_799_000},
	"from 1970 to 9999":     {0, 253_402_300_799_000},
	"before the epoch":      {-86_400_000, -1},
	"the year 1":            {-62_135_596_800_000, -62_135_510_400_000},
	"from after to":         {noon.UnixMilli(), noon.UnixMilli() - 86_400_000},
	"from equals to":        {noon.UnixMilli(), noon.UnixMilli()},
	"beyond any calendar":   {9_000_000_000_000_000, 9_000_000_086_400_000},
	"smallest to largest":   {-1 << 63, 1<<63 - 1},
	"largest to smallest":   {1<<63 - 1, -1 << 63},
	"the last millisecond":  {1<<63 - 2, 1<<63 - 1},
	"the first millisecond": {-1 << 63, -1<<63 + 1},
}

func TestExtremeRangesAreAnswered(t *testing.T) {
	upstream := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, JSON{"query_response": []any{}})
	}))
	for _, source := range []struct {
		name     string
		settings Settings
	}{{"generator", generator}, {"http-json", httpJSON(upstream.URL)}} {
		for name, extreme := range inOrder(extremes) {
			t.Run(source.name+"/"+name, func(t *testing.T) {
				p := host(t)
				request := queryRequest(source.settings, nil, Query{}, Query{RefID: "B", JSON: `{"source":{"kind":"generator"}}`})
				request.Queries[0].TimeRange.FromEpochMS, request.Queries[0].TimeRange.ToEpochMS = extreme[0], extreme[1]
				responses, err := p.Query(patient(t), request)
				if err != nil {
					t.Fatalf("QueryData: %v", err)
				}
				answered(t, "A", responses["A"])
				succeeded(t, "B", responses["B"])
				p.healthy(t)
			})
		}
	}
}

func TestExtremeResolutionsAreAnswered(t *testing.T) {
	for _, points := range []int64{0, -1, 1, 1<<63 - 1, -1 << 63} {
		for _, interval := range []int64{0, -1, 1, 1<<63 - 1} {
			t.Run(fmt.Sprintf("%d points, interval %d ms", points, interval), func(t *testing.T) {
				request := queryRequest(generator, nil, Query{})
				request.Queries[0].MaxDataPoints, request.Queries[0].IntervalMS = points, interval
				responses, err := host(t).Query(patient(t), request)
				if err != nil {
					t.Fatalf("QueryData: %v", err)
				}
				answered(t, "A", responses["A"])
			})
		}
	}
}

// answered checks that a query was answered in one of the two ways.
func answered(t *testing.T, refID string, response backend.DataResponse) {
	t.Helper()
	if response.Error != nil {
		refused(t, refID, response)
	} else {
		succeeded(t, refID, response)
	}
}

func TestQueryWithoutARange(t *testing.T) {
	request := queryRequest(generator, nil, Query{}, Query{RefID: "B"})
	request.Queries[0].TimeRange = nil
	responses, err := host(t).Query(patient(t), request)
	if err != nil {
		t.Fatalf("QueryData: %v", err)
	}
	answered(t, "A", responses["A"])
	succeeded(t, "B", responses["B"])
}
