// Web vitals: each measurement of the `web-vitals` library as a span without length.

import type { Capture, CaptureHost } from '../capture/capture.js';
import type { CoreTracer } from '../tracer.js';
import type { WebVital, WebVitalsLibrary, WebVitalsOptions } from '../captures.js';
import { load } from '#web-vitals';
import * as names from './names.js';

/** The library's reports, which cannot be called off: registered once, they go to the started instance, if there is one. */
export class VitalReports {
  private host: CaptureHost | undefined;
  private tracer: CoreTracer | undefined;
  private asked = false;

  constructor(private readonly library: WebVitalsOptions['library']) {}

  install(host: CaptureHost): Capture {
    this.host = host;
    this.tracer = host.tracer('webVitals');
    if (!this.asked) {
      this.asked = true;
      this.ask();
    }
    // Of a host that has been shut down it is known that it is silent.
    return { uninstall() {} };
  }

  private async ask(): Promise<void> {
    try {
      const { library = load } = this;
      const { onCLS, onFCP, onINP, onLCP, onTTFB } = (typeof library === 'function' ? await library() : library) as WebVitalsLibrary;
      for (const measure of [onCLS, onFCP, onINP, onLCP, onTTFB]) {
        measure?.((metric) => {
          const { host, tracer } = this;
          host?.guard(() => report(host, tracer!, metric));
        });
      }
    } catch (error) {
      this.host?.guard(() => {
        throw error;
      });
    }
  }
}

function report(host: CaptureHost, tracer: CoreTracer, { name, value, delta, id, rating, navigationType, entries }: WebVital): void {
  const { core, active } = host;
  if (host.silent() || !core.ready()) return;
  // Where it happened, not when the library was sure of it: for most that is when the page is left.
  const entry = entries.at(-1) as (PerformanceEntry & { responseStart?: number }) | undefined;
  const atMs = (name === 'TTFB' ? entry?.responseStart : entry?.startTime) || core.now();
  const span = tracer.capture(names.WEB_VITAL, active.page ?? active.lastPage, atMs);
  span.setAttributes({
    [names.WEB_VITAL_NAME]: name.toLowerCase(),
    [names.WEB_VITAL_VALUE]: value,
    [names.WEB_VITAL_DELTA]: delta,
    [names.WEB_VITAL_ID]: id,
    [names.WEB_VITAL_RATING]: rating,
    [names.WEB_VITAL_NAVIGATION_TYPE]: navigationType,
  });
  span.end(atMs);
}
