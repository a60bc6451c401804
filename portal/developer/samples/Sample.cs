// A token, a read, and an error read as one: .NET or Mono without packages.
// MIST_BASE, MIST_CLIENT_ID, MIST_CLIENT_SECRET, MIST_EMPLOYEE_ID come from the environment.
using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Json;
using System.Text;

[DataContract] class Token { [DataMember(Name = "access_token")] public string AccessToken; }
[DataContract] class Dictionary { [DataMember(Name = "name")] public string Name; }
[DataContract] class Failure { [DataMember(Name = "type")] public string Type; }
// The envelope of every answer but the token's.
[DataContract] class Answer<T>
{
    [DataMember(Name = "data")] public T Data;
    [DataMember(Name = "error")] public Failure Error;
}

class Sample
{
    static readonly string Base = Environment.GetEnvironmentVariable("MIST_BASE");
    static readonly HttpClient Client = new HttpClient { Timeout = TimeSpan.FromSeconds(30) };

    static T Read<T>(HttpResponseMessage response)
    {
        string text = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        using (var stream = new MemoryStream(Encoding.UTF8.GetBytes(text)))
            return (T)new DataContractJsonSerializer(typeof(T)).ReadObject(stream);
    }

    static Answer<T> Get<T>(string path, string token)
    {
        for (int attempt = 0; ; attempt++)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, Base + path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            var response = Client.SendAsync(request).GetAwaiter().GetResult();
            // 429 says in Retry-After how many seconds to wait.
            if ((int)response.StatusCode != 429 || attempt == 3) return Read<Answer<T>>(response);
            System.Threading.Thread.Sleep(response.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(1));
        }
    }

    static void Main()
    {
        var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = Environment.GetEnvironmentVariable("MIST_CLIENT_ID"),
            ["client_secret"] = Environment.GetEnvironmentVariable("MIST_CLIENT_SECRET"),
            ["employee_id"] = Environment.GetEnvironmentVariable("MIST_EMPLOYEE_ID"),
        });
        string token = Read<Token>(Client.PostAsync(Base + "/oauth/token", form).GetAwaiter().GetResult()).AccessToken;

        Console.WriteLine("dictionary: " + Get<Dictionary[]>("/api/v3/dictionaries?name=GENDER", token).Data[0].Name);

        // Every error has error.type; meta.request_id names the request to support.
        Console.WriteLine("error: " + Get<object>("/api/v3/persons/01890a5d-ac96-774b-bcce-b302099a8057", token).Error.Type);
    }
}
