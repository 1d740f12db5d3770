package conformance

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// the step that trainingWindow 7d implies
const fiveMinutes = 5 * time.Minute

// exactly checks that a series has the values of a signal, bit for bit, at all times of a query.
func exactly(t *testing.T, series Series, asked Query, signal func(time.Time) float64) {
	t.Helper()
	onGrid(t, series, asked, fiveMinutes)
	for index, value := range series.complete(t, "value") {
		if want := signal(series.Times[index]); math.Float64bits(value) != math.Float64bits(want) {
			t.Fatalf("the value at %v is %v, want exactly %v", series.Times[index], value, want)
		}
	}
}

func TestValuesOfAServerArriveExactly(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	asked := query(JSON{}, 40*time.Hour)
	series := host(t).frames(t, httpJSON(upstream.URL), asked).single(t)
	if len(series.Times) < 400 {
		t.Fatalf("%d points, want more than 400", len(series.Times))
	}
	exactly(t, series, asked, daily)
}

func TestAwkwardValuesArriveExactly(t *testing.T) {
	awkward := []float64{0.1 + 0.2, 1.0 / 3, 100.00000000000001, 99.99999999999999, 123456.7890123456, 9007199254740993, 1e-7, 5e-324, 2.2250738585072014e-308, 0}
	signal := func(at time.Time) float64 { return awkward[at.Unix()/300%int64(len(awkward))] }
	upstream := startUpstream(t, contract(always(signal), fiveMinutes))
	asked := query(JSON{}, 6*time.Hour)
	exactly(t, host(t).frames(t, httpJSON(upstream.URL), asked).single(t), asked, signal)
}

func TestGeneratorAnswersInAnyDataSource(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	about := host(t).frames(t, httpJSON(upstream.URL), query(JSON{"source": JSON{"kind": "generator"}}, 6*time.Hour)).about(t)
	if about.Source != "generator" {
		t.Errorf("source %q, want the generator", about.Source)
	}
	if asked := upstream.asked(); len(asked) != 0 {
		t.Errorf("the upstream was asked: %+v", asked)
	}
}

func TestQueryForAnotherKindThanTheDataSourceHas(t *testing.T) {
	// A data source set up for the generator may answer it, or say why not.
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	settings := Settings{URL: upstream.URL, JSONData: `{"source":"generator"}`}
	asked := query(JSON{"source": JSON{"kind": "http-json"}}, 6*time.Hour)
	response := host(t).ask(t, settings, asked)["A"]
	if response.Error == nil {
		exactly(t, succeeded(t, "A", response).single(t), asked, daily)
		return
	}
	refused(t, "A", response)
	mentions(t, response.Error.Error(), "http-json", "generator")
}

func TestUpstreamIsAskedForTheTrainingWindowToo(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	asked := query(JSON{"trainingWindow": "7d"}, 6*time.Hour)
	host(t).frames(t, httpJSON(upstream.URL), asked)

	var from, to time.Time
	for _, each := range upstream.asked() {
		first, last, err := span(each.Parameters)
		if err != nil {
			t.Fatalf("asked for %v: %v", each.Parameters, err)
		}
		if from.IsZero() || first.Before(from) {
			from = first
		}
		if last.After(to) {
			to = last
		}
	}
	if latest := asked.From.Add(-7*24*time.Hour + fiveMinutes); from.After(latest) {
		t.Errorf("asked for data from %v, want a start of %v or earlier", from, latest)
	}
	if earliest := asked.To.Add(-fiveMinutes); to.Before(earliest) {
		t.Errorf("asked for data up to %v, want %v or later", to, earliest)
	}
}

func TestExecutedQueryIsWhatTheUpstreamWasAsked(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	answer := host(t).frames(t, httpJSON(upstream.URL), query(JSON{}, 6*time.Hour))
	asked := upstream.lastAsked(t, "/query")
	mentions(t, answer[0].Meta.ExecutedQueryString, "/query", asked.Parameters.Get("to"))
}

// parameter is a params entry.
func parameter(name, value string) JSON { return JSON{"name": name, "value": value} }

func TestMacros(t *testing.T) {
	// Every macro rides along with from and to, from which the server and the test tell the range.
	macros := map[string]string{
		"plain_from": "$__from", "plain_to": "$__to",
		"seconds_from": "${__from:date:seconds}", "seconds_to": "${__to:date:seconds}",
		"iso_from": "${__from:date:iso}", "date_to": "${__to:date}",
		"interval": "$__interval", "braced_interval": "${__interval}",
		"interval_ms": "$__interval_ms", "braced_interval_ms": "${__interval_ms}",
		"points": "$__maxDataPoints", "braced_points": "${__maxDataPoints}",
		"around": "a${__from}b$__to c", "untouched": "$__unknown ${variable} $",
	}
	check := func(t *testing.T, got url.Values) {
		from, to, err := span(got)
		if err != nil {
			t.Fatalf("%v: %v", got, err)
		}
		ms := func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
		want := map[string]string{
			"plain_from": ms(from), "plain_to": ms(to),
			"seconds_from": strconv.FormatInt(from.Unix(), 10), "seconds_to": strconv.FormatInt(to.Unix(), 10),
			"interval": "5m", "braced_interval": "5m", "interval_ms": "300000", "braced_interval_ms": "300000",
			"braced_points": got.Get("points"),
			"around":        "a" + ms(from) + "b" + ms(to) + " c", "untouched": macros["untouched"],
		}
		for name, value := range inOrder(want) {
			if got.Get(name) != value {
				t.Errorf("%s became %q, want %q", macros[name], got.Get(name), value)
			}
		}
		if points, err := strconv.ParseInt(got.Get("points"), 10, 64); err != nil || points < int64(to.Sub(from)/fiveMinutes) {
			t.Errorf("%s became %q, want a number of points that holds the range at a step of 5m", macros["points"], got.Get("points"))
		}
		for name, at := range inOrder(map[string]time.Time{"iso_from": from, "date_to": to}) {
			if parsed, err := time.Parse(time.RFC3339, got.Get(name)); err != nil || !parsed.Equal(at) {
				t.Errorf("%s became %q (%v), want %s as ISO 8601", macros[name], got.Get(name), err, at.Format(time.RFC3339Nano))
			}
		}
	}
	serve := func(w http.ResponseWriter, parameters url.Values) {
		from, to, err := span(parameters)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, JSON{"query_response": rows(always(daily), fiveMinutes, from, to, pair)})
	}

	t.Run("in parameters", func(t *testing.T) {
		upstream := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r.URL.Query()) }))
		params := []JSON{parameter("from", "${__from}"), parameter("to", "${__to}")}
		for name, macro := range macros {
			params = append(params, parameter(name, macro))
		}
		asked := query(JSON{"source": JSON{"kind": "http-json", "params": params}}, 6*time.Hour)
		exactly(t, host(t).frames(t, httpJSON(upstream.URL), asked).single(t), asked, daily)
		check(t, upstream.lastAsked(t, "/query").Parameters)
	})

	t.Run("in a body", func(t *testing.T) {
		upstream := startUpstream(t, nil)
		upstream.Config.Handler = upstream.record(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			all := upstream.asked()
			serve(w, parseLines(all[len(all)-1].Body))
		}))
		body := "from=${__from}\nto=${__to}"
		for name, macro := range macros {
			body += "\n" + name + "=" + macro
		}
		asked := query(JSON{"source": JSON{"kind": "http-json", "method": "POST", "params": []JSON{}, "body": body}}, 6*time.Hour)
		exactly(t, host(t).frames(t, httpJSON(upstream.URL, JSON{"allowPost": true}), asked).single(t), asked, daily)
		last := upstream.lastAsked(t, "/query")
		if last.Method != http.MethodPost {
			t.Errorf("method %s, want POST", last.Method)
		}
		check(t, parseLines(last.Body))
	})

	t.Run("in a path", func(t *testing.T) {
		upstream := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
			if len(parts) != 4 || parts[0] != "api" || parts[3] != "5m" {
				http.NotFound(w, r)
				return
			}
			serve(w, url.Values{"from": {parts[1]}, "to": {parts[2]}})
		}))
		asked := query(JSON{"source": JSON{"kind": "http-json", "path": "/api/${__from}/$__to/$__interval", "params": []JSON{}}}, 6*time.Hour)
		exactly(t, host(t).frames(t, httpJSON(upstream.URL), asked).single(t), asked, daily)
	})
}

func TestUpstreamIsAskedTheSameWhateverThePanelsWidth(t *testing.T) {
	// Otherwise the verdicts would depend on it.
	params := []JSON{parameter("from", "${__from}"), parameter("to", "${__to}"), parameter("points", "$__maxDataPoints"), parameter("interval", "$__interval_ms")}
	requests := map[string]bool{}
	for _, width := range []int64{30, 800, 5000} {
		// A server each, so that nothing is cached.
		upstream := startUpstream(t, contract(always(daily), fiveMinutes))
		asked := query(JSON{"source": JSON{"kind": "http-json", "params": params}}, 6*time.Hour)
		asked.MaxDataPoints = width
		host(t).frames(t, httpJSON(upstream.URL), asked)
		requests[upstream.lastAsked(t, "/query").Parameters.Encode()] = true
	}
	if len(requests) != 1 {
		t.Errorf("panels of three widths make different requests: %q", slices.Sorted(maps.Keys(requests)))
	}
}

// parseLines reads name=value lines.
func parseLines(text string) url.Values {
	values := url.Values{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "="); found {
			values.Set(name, value)
		}
	}
	return values
}

// stamped serves the daily signal with times of another form.
func stamped(stamp func(time.Time) any) http.Handler {
	return shaped(func(from, to time.Time) any {
		return JSON{"query_response": rows(always(daily), fiveMinutes, from, to, func(at time.Time, value *float64) any {
			return []any{stamp(at), value}
		})}
	})
}

// shaped serves a body of any shape for the range that GET /query asks for.
func shaped(body func(from, to time.Time) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, to, err := span(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, body(from, to))
	})
}

func TestTimeFormats(t *testing.T) {
	formats := map[string]func(time.Time) any{
		"ms":      func(at time.Time) any { return at.UnixMilli() },
		"s":       func(at time.Time) any { return at.Unix() },
		"us":      func(at time.Time) any { return at.UnixMicro() },
		"ns":      func(at time.Time) any { return at.UnixNano() },
		"iso8601": func(at time.Time) any { return at.UTC().Format(time.RFC3339) },
	}
	for format, stamp := range inOrder(formats) {
		for _, given := range []string{format, "auto"} {
			t.Run(format+" read as "+given, func(t *testing.T) {
				upstream := startUpstream(t, stamped(stamp))
				asked := query(JSON{"source": JSON{"kind": "http-json", "timeFormat": given}}, 6*time.Hour)
				exactly(t, host(t).frames(t, httpJSON(upstream.URL), asked).single(t), asked, daily)
			})
		}
	}
	t.Run("iso8601 with an offset", func(t *testing.T) {
		zone := time.FixedZone("", 2*60*60)
		upstream := startUpstream(t, stamped(func(at time.Time) any { return at.In(zone).Format("2006-01-02T15:04:05.000Z07:00") }))
		asked := query(JSON{}, 6*time.Hour)
		exactly(t, host(t).frames(t, httpJSON(upstream.URL), asked).single(t), asked, daily)
	})
}

func TestPointersAndLabels(t *testing.T) {
	// Objects two levels down, two series told apart by a label; the second is ten higher.
	upstream := startUpstream(t, shaped(func(from, to time.Time) any {
		all := []any{}
		for _, node := range []string{"a", "b"} {
			all = append(all, rows(always(daily), fiveMinutes, from, to, func(at time.Time, value *float64) any {
				if node == "b" {
					*value += 10
				}
				return JSON{"at": at.UnixMilli(), "sample": JSON{"v/1": value}, "tags": JSON{"node": node}}
			})...)
		}
		return JSON{"data": []any{JSON{"rows": all}}}
	}))
	asked := query(JSON{"source": JSON{
		"kind": "http-json", "rows": "/data/0/rows", "time": "/at", "value": "/sample/v~11",
		"labels": []JSON{{"name": "node", "pointer": "/tags/node"}}, "name": "load", "unit": "percent",
	}}, 6*time.Hour)
	all := host(t).frames(t, httpJSON(upstream.URL), asked).series(t)
	if len(all) != 2 {
		t.Fatalf("%d series, want one a node", len(all))
	}
	for _, series := range all {
		switch node := series.Labels["node"]; node {
		case "a":
			exactly(t, series, asked, daily)
		case "b":
			exactly(t, series, asked, func(at time.Time) float64 { return daily(at) + 10 })
		default:
			t.Errorf("labels %v, want node a or b", series.Labels)
		}
		value := field(t, series.Frame, "value")
		if value.Config.Unit != "percent" {
			t.Errorf("unit %q, want percent", value.Config.Unit)
		}
		mentions(t, displayName(value), "load")
	}
}

func TestOrderAndDuplicatesOfRowsDoNotMatter(t *testing.T) {
	upstream := startUpstream(t, shaped(func(from, to time.Time) any {
		ordered := rows(always(daily), fiveMinutes, from, to, pair)
		shuffled := append([]any{}, ordered...)
		for index := range shuffled {
			other := int(hash(uint64(index)) % uint64(len(shuffled)))
			shuffled[index], shuffled[other] = shuffled[other], shuffled[index]
		}
		return JSON{"query_response": append(shuffled, ordered[:10]...)}
	}))
	asked := query(JSON{}, 6*time.Hour)
	exactly(t, host(t).frames(t, httpJSON(upstream.URL), asked).single(t), asked, daily)
}

func TestNullsAndGapsNeverBecomeValues(t *testing.T) {
	gap := func(at time.Time) bool { return at.UTC().Hour() == 9 }
	upstream := startUpstream(t, shaped(func(from, to time.Time) any {
		return JSON{"query_response": rows(always(level), fiveMinutes, from, to, func(at time.Time, value *float64) any {
			if gap(at) {
				value = nil
			}
			return pair(at, value)
		})}
	}))
	asked := query(JSON{}, 6*time.Hour)
	series := host(t).frames(t, httpJSON(upstream.URL), asked).single(t)
	seen := 0
	for index, value := range series.numbers(t, "value") {
		at := series.Times[index]
		switch {
		case value == nil && !gap(at):
			t.Errorf("no value at %v, although the upstream has %v", at, level(at))
		case value != nil && gap(at):
			t.Errorf("the value at %v is %v, although the upstream has none", at, *value)
		case value != nil:
			seen++
		}
	}
	if seen < 55 {
		t.Errorf("%d values in six hours less one, want about 60", seen)
	}
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	say := func(body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
	}
	fail := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) })
	}
	tests := map[string]struct {
		handler  http.Handler
		category string
		mentions []string
	}{
		"not JSON":              {say("<html>hello</html>"), "protocol", nil},
		"cut short":             {say(`{"query_response":[[1710`), "protocol", nil},
		"empty":                 {say(""), "protocol", nil},
		"no rows where pointed": {say(`{"other":[]}`), "protocol", []string{"/query_response"}},
		"rows are no list":      {say(`{"query_response":{"a":1}}`), "protocol", []string{"/query_response"}},
		"no time in the rows":   {say(`{"query_response":[[null,1],["x",2]]}`), "protocol", nil},
		"nested too deep":       {say(`{"query_response":` + strings.Repeat("[", 100_000)), "protocol", nil},
		"401":                   {fail(http.StatusUnauthorized), "auth", []string{"401"}},
		"500":                   {fail(http.StatusInternalServerError), "", []string{"500"}},
		"404":                   {fail(http.StatusNotFound), "", []string{"404"}},
	}
	for name, test := range inOrder(tests) {
		t.Run(name, func(t *testing.T) {
			upstream := startUpstream(t, test.handler)
			response := host(t).refusal(t, httpJSON(upstream.URL), Query{})
			text := response.Error.Error()
			if test.category != "" && !strings.HasPrefix(text, "["+test.category+"] ") {
				t.Errorf("error %q, want the category %s", text, test.category)
			}
			mentions(t, text, test.mentions...)
		})
	}
}

func TestUnreachableServerIsAQueryErrorOfItsOwn(t *testing.T) {
	// The generator's query in the same request still answers.
	responses := host(t).ask(t, httpJSON(fmt.Sprintf("http://127.0.0.1:%d", freePort(t))),
		Query{RefID: "A"}, Query{RefID: "B", JSON: `{"source":{"kind":"generator"}}`})
	refused(t, "A", responses["A"])
	if text := responses["A"].Error.Error(); !strings.HasPrefix(text, "[connection] ") {
		t.Errorf("error %q, want the category connection", text)
	}
	succeeded(t, "B", responses["B"])
}

func TestAnswerLargerThanAllowed(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	response := host(t).refusal(t, httpJSON(upstream.URL, JSON{"maxResponseBytes": 2048}), Query{})
	mentions(t, response.Error.Error(), "maxResponseBytes")
}

func TestUpstreamTimeout(t *testing.T) {
	upstream, _, _ := startSilent(t)
	started := time.Now()
	response := host(t).refusal(t, httpJSON(upstream.URL, JSON{"timeout": 1}), Query{})
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("gave up after %v, want about the timeout of 1 s (error %v)", took, response.Error)
	}
}

// TestPathStaysBelowTheURL: no path of a query reaches another host, or another path of this one
// than below the settings' URL, for that is where the credentials belong.
func TestPathStaysBelowTheURL(t *testing.T) {
	elsewhere := startUpstream(t, contract(always(daily), fiveMinutes))
	upstream := startUpstream(t, http.NotFoundHandler())
	other := strings.TrimPrefix(elsewhere.URL, "http://")
	for name, path := range inOrder(map[string]string{
		"up":                    "/../secret",
		"up without a slash":    "..",
		"up in the middle":      "/a/../../secret",
		"up, escaped":           "/%2e%2e/secret",
		"up, escaped otherwise": "/%2E%2e/secret",
		"up, escaped in part":   "/.%2e/secret",
		"up with backslashes":   `\..\secret`,
		"URL":                   elsewhere.URL + "/query",
		"host":                  "//" + other + "/query",
		"host with backslashes": `\\` + other + `\query`,
		"host after an at sign": "@" + other + "/query",
	}) {
		t.Run(name, func(t *testing.T) {
			settings := httpJSON(upstream.URL + "/base")
			settings.Secrets = map[string]string{"bearerToken": "token"}
			response := host(t).refusal(t, settings, query(JSON{"source": JSON{"kind": "http-json", "path": path}}, time.Hour))
			if strings.Contains(path, "..") && response.Status >= 500 {
				t.Errorf("status %d, want 4xx: %v", response.Status, response.Error)
			}
		})
	}
	for _, asked := range upstream.asked() {
		if !strings.HasPrefix(asked.Path, "/base/") || strings.Contains(strings.ToLower(asked.Path), "%2e%2e") || strings.Contains(asked.Path, "..") {
			t.Errorf("the upstream was asked for %s, which is not below /base", asked.Path)
		}
	}
	if len(elsewhere.asked()) != 0 {
		t.Errorf("another server was asked: %+v", elsewhere.asked())
	}
}

func TestStatusOfAnUpstreamErrorIsNotTheUsersFault(t *testing.T) {
	// An upstream that fails is not a bad request: alert rules and dashboards tell the two apart.
	upstream := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "broken", http.StatusInternalServerError)
	}))
	if response := host(t).refusal(t, httpJSON(upstream.URL), Query{}); response.Status == backend.StatusBadRequest {
		t.Errorf("status %d for a broken upstream (error %v)", response.Status, response.Error)
	}
}
