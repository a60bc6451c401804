// A token, a read, and an error read as one: the standard library and nothing else.
// MIST_BASE, MIST_CLIENT_ID, MIST_CLIENT_SECRET, MIST_EMPLOYEE_ID come from the environment.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// answer is the envelope of every answer but the token's.
type answer struct {
	Meta struct {
		RequestID string `json:"request_id"`
	} `json:"meta"`
	Data  json.RawMessage `json:"data"`
	Error *struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}

var client = &http.Client{Timeout: 30 * time.Second}

func get(path, token string) (a answer, err error) {
	for try := 0; ; try++ {
		r, err := http.NewRequest(http.MethodGet, os.Getenv("MIST_BASE")+path, nil)
		if err != nil {
			return a, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(r)
		if err != nil {
			return a, err
		}
		err = json.NewDecoder(response.Body).Decode(&a)
		response.Body.Close()
		// 429 says in Retry-After how many seconds to wait.
		if response.StatusCode != http.StatusTooManyRequests || try == 3 {
			return a, err
		}
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		time.Sleep(time.Duration(max(seconds, 1)) * time.Second)
	}
}

func main() {
	response, err := client.PostForm(os.Getenv("MIST_BASE")+"/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {os.Getenv("MIST_CLIENT_ID")},
		"client_secret": {os.Getenv("MIST_CLIENT_SECRET")}, "employee_id": {os.Getenv("MIST_EMPLOYEE_ID")},
	})
	if err != nil {
		log.Fatal(err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&token); err != nil || token.AccessToken == "" {
		log.Fatal("no token: ", response.Status, err)
	}

	a, err := get("/api/v3/dictionaries?name=GENDER", token.AccessToken)
	if err != nil || a.Error != nil {
		log.Fatal(err, a.Error)
	}
	var list []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(a.Data, &list); err != nil {
		log.Fatal(err)
	}
	fmt.Println("dictionary:", list[0].Name)

	// Every error has error.type; meta.request_id names the request to support.
	a, err = get("/api/v3/persons/01890a5d-ac96-774b-bcce-b302099a8057", token.AccessToken)
	if err != nil || a.Error == nil {
		log.Fatal("an error was expected: ", err)
	}
	fmt.Println("error:", a.Error.Type)
}
