// Pings with Java's own HttpClient; the trust store has the CA, and the hosts file says that api.moov.io is here.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;

class Program {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        for (var url : Arrays.copyOfRange(arguments, 1, arguments.length)) {
            var request = HttpRequest.newBuilder(URI.create(url + "/ping")).header("Authorization", arguments[0]).build();
            try {
                System.out.println(client.send(request, BodyHandlers.discarding()).statusCode());
            } catch (java.io.IOException error) {
                System.out.println(error);
            }
        }
    }
}
