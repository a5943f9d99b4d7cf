import FoundationEssentials
import ServiceLifecycle

/// Requests sweeps at an interval, as Cloud Scheduler does. It has its own topic and subscription.
struct SweepSchedule: Service {
    let subscription: PushSubscription
    private let interval: Duration

    /// - Parameter endpoint: the URL to push to.
    init(endpoint: String, every interval: Duration) {
        var settings = PushSubscription.Settings()
        // No retry: the next sweep is due soon.
        settings.maximumDeliveryAttempts = 1
        settings.idPrefix = "sweep-"
        subscription = PushSubscription(endpoint: endpoint, settings: settings)
        self.interval = interval
    }

    func run() async {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: interval)) != nil {
                subscription.publish(Data(), attributes: ["task": "sweep"])
            }
        }
    }
}
