// Everything of the entry `webspan/captures`.
import { init } from 'webspan';
import type { CaptureOption } from 'webspan';
import { eventSource, longTasks, userInteraction, webSocket, webVitals } from 'webspan/captures';
import type { UserInteractionOptions, WebVital, WebVitalsLibrary, WebVitalsOptions } from 'webspan/captures';
import type { Span } from '@opentelemetry/api';

const interaction: Required<UserInteractionOptions> = {
  eventNames: ['click', 'submit'] as const,
  // As it would be written for OpenTelemetry's instrumentation.
  shouldPreventSpanCreation(eventType: string, element: HTMLElement, span: Span) {
    span.setAttribute('app.id', element.id);
    return eventType === 'submit';
  },
};
const onINP = (report: (metric: WebVital) => void) =>
  report({ name: 'INP', value: 1, delta: 1, id: 'v6-1', rating: 'good', navigationType: 'navigate', entries: [] });
const library: WebVitalsLibrary = { onINP };
const vitals: Required<WebVitalsOptions>[] = [{ library }, { library: async () => library }];

const captures: CaptureOption[] = [userInteraction(interaction), longTasks(), webVitals(), ...vitals.map(webVitals), eventSource(), webSocket()];
init({ captures });
init({ captures: userInteraction() });
