<?php
// A token, a read, and an error read as one: PHP 8 without extensions.
// MIST_BASE, MIST_CLIENT_ID, MIST_CLIENT_SECRET, MIST_EMPLOYEE_ID come from the environment.
declare(strict_types=1);

/** @return array{int, array} status and decoded body */
function ask(string $method, string $path, array $headers = [], string $body = ''): array
{
    for ($try = 0; ; $try++) {
        $context = stream_context_create(['http' => [
            'method' => $method, 'header' => $headers, 'content' => $body,
            'ignore_errors' => true, // an answer of 4xx is an answer
            'timeout' => 30,
        ]]);
        $text = file_get_contents(getenv('MIST_BASE') . $path, false, $context);
        $status = (int) explode(' ', $http_response_header[0])[1];
        // 429 says in Retry-After how many seconds to wait.
        if ($status !== 429 || $try === 3) {
            return [$status, json_decode($text, true, 64, JSON_THROW_ON_ERROR)];
        }
        sleep(max(1, (int) (preg_grep('/^Retry-After: /i', $http_response_header) ? substr(current(preg_grep('/^Retry-After: /i', $http_response_header)), 13) : 1)));
    }
}

[$status, $token] = ask('POST', '/oauth/token', ['Content-Type: application/x-www-form-urlencoded'], http_build_query([
    'grant_type' => 'client_credentials', 'client_id' => getenv('MIST_CLIENT_ID'),
    'client_secret' => getenv('MIST_CLIENT_SECRET'), 'employee_id' => getenv('MIST_EMPLOYEE_ID'),
]));
$status === 200 or exit("no token: $status\n");
$bearer = ['Authorization: Bearer ' . $token['access_token']];

[, $answer] = ask('GET', '/api/v3/dictionaries?name=GENDER', $bearer);
echo 'dictionary: ', $answer['data'][0]['name'], "\n";

// Every error has error.type; meta.request_id names the request to support.
[, $answer] = ask('GET', '/api/v3/persons/01890a5d-ac96-774b-bcce-b302099a8057', $bearer);
echo 'error: ', $answer['error']['type'], "\n";
