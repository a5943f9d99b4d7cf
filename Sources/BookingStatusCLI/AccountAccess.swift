import ArgumentParser
import AsyncHTTPClient
import BookingStatusService
import Configuration
import Foundation
import OutboundHTTP
import Zendesk

/// The account that a command works on, reached with the credentials that the function would use.
enum AccountAccess {
    /// - Throws: `ExitCode` 78, after naming what is wrong, if the environment has no usable
    ///   credentials.
    static func withClient<Result: Sendable>(
        url: String,
        _ credentials: ZendeskCredentials? = nil,
        _ body: (ZendeskClient) async throws -> Result
    ) async throws -> Result {
        let credentials = try credentials ?? fromEnvironment()
        return try await HTTPClient.withHTTPClient(configuration: OutboundHTTP.configuration) { client in
            try await body(ZendeskClient(transport: HTTPClientTransport(client: client, baseURL: url), credentials: credentials))
        }
    }

    private static func fromEnvironment() throws -> ZendeskCredentials {
        do {
            return try ServiceSettings.zendeskCredentials(config: ConfigReader(provider: EnvironmentVariablesProvider()))
        } catch {
            FileHandle.standardError.write(Data("\(error)".utf8))
            throw ExitCode(78)
        }
    }
}
