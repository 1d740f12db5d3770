package conformance

import (
	"net/http"
	"testing"
	"time"
)

// TestCredentialsReachTheUpstream checks what health and queries send, and to whom.
func TestCredentialsReachTheUpstream(t *testing.T) {
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth("user", "pass:word")

	tests := []struct {
		name     string
		settings func(url string) Settings
		header   string
		want     []string
	}{
		{"none", func(url string) Settings { return httpJSON(url) }, "Authorization", nil},
		{"basic", func(url string) Settings {
			settings := httpJSON(url)
			settings.BasicAuth, settings.BasicAuthUser = true, "user"
			settings.Secrets = map[string]string{"basicAuthPassword": "pass:word"}
			return settings
		}, "Authorization", basic.Header["Authorization"]},
		{"basic, switched off", func(url string) Settings {
			settings := httpJSON(url)
			settings.BasicAuthUser = "user"
			settings.Secrets = map[string]string{"basicAuthPassword": "pass:word"}
			return settings
		}, "Authorization", nil},
		{"bearer", func(url string) Settings {
			settings := httpJSON(url)
			settings.Secrets = map[string]string{"bearerToken": "token"}
			return settings
		}, "Authorization", []string{"Bearer token"}},
		{"first custom header", func(url string) Settings {
			settings := httpJSON(url, JSON{"httpHeaderName1": "X-Tenant", "httpHeaderName2": "X-Other"})
			settings.Secrets = map[string]string{"httpHeaderValue1": "one", "httpHeaderValue2": "two"}
			return settings
		}, "X-Tenant", []string{"one"}},
		{"second custom header", func(url string) Settings {
			settings := httpJSON(url, JSON{"httpHeaderName1": "X-Tenant", "httpHeaderName2": "X-Other"})
			settings.Secrets = map[string]string{"httpHeaderValue1": "one", "httpHeaderValue2": "two"}
			return settings
		}, "X-Other", []string{"two"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			upstream := startUpstream(t, contract(always(daily), 5*time.Minute))
			settings := test.settings(upstream.URL)
			well(t, host(t).health(t, settings))
			host(t).frames(t, settings, Query{})
			for _, path := range []string{"/", "/query"} {
				got := upstream.lastAsked(t, path).Header.Values(test.header)
				if len(got) != len(test.want) || len(got) == 1 && got[0] != test.want[0] {
					t.Errorf("GET %s had %s %q, want %q", path, test.header, got, test.want)
				}
			}
		})
	}
}

func TestCredentialsDoNotFollowARedirectToAnotherHost(t *testing.T) {
	elsewhere := startUpstream(t, contract(always(daily), 5*time.Minute))
	upstream := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.RequestURI(), http.StatusFound)
	}))
	settings := httpJSON(upstream.URL, JSON{"httpHeaderName1": "X-Tenant"})
	settings.Secrets = map[string]string{"bearerToken": "token", "httpHeaderValue1": "one"}
	host(t).health(t, settings)
	host(t).ask(t, settings, Query{})
	if len(upstream.asked()) == 0 {
		t.Error("the upstream was not asked")
	}
	for _, asked := range elsewhere.asked() {
		for _, header := range []string{"Authorization", "X-Tenant"} {
			if value := asked.Header.Get(header); value != "" {
				t.Errorf("the server redirected to was sent %s: %s", header, value)
			}
		}
	}
}
