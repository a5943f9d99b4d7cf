import FoundationEssentials
import ServiceLifecycle

/// Asks for a sweep again and again, as Cloud Scheduler does, through a topic and a subscription of
/// its own.
struct SweepSchedule: Service {
    let subscription: PushSubscription
    private let interval: Duration

    /// - Parameter endpoint: the URL to push to.
    init(endpoint: String, every interval: Duration) {
        var settings = PushSubscription.Settings()
        // The next one is due before long.
        settings.maximumDeliveryAttempts = 1
        settings.idPrefix = "sweep-"
        subscription = PushSubscription(endpoint: endpoint, settings: settings)
        self.interval = interval
    }

    func run() async {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: interval)) != nil {
                subscription.publish(Data(), attributes: ["task": "sweep"], orderingKey: nil)
            }
        }
    }
}
