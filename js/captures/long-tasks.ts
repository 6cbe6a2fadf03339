// Frames that took too long, with the scripts that were at work; where the browser does not tell of frames, long tasks.

import type { Capture, CaptureHost } from '../capture/capture.js';
import * as names from './names.js';

/** What TypeScript does not know yet. <https://w3c.github.io/long-animation-frames/> */
interface FrameTiming extends PerformanceEntry {
  readonly blockingDuration?: number;
  readonly renderStart?: number;
  readonly styleAndLayoutStart?: number;
  readonly scripts?: readonly ScriptTiming[];
}

interface ScriptTiming extends PerformanceEntry {
  readonly sourceURL: string;
  readonly sourceFunctionName: string;
  readonly invoker: string;
  readonly invokerType: string;
  readonly forcedStyleAndLayoutDuration: number;
}

/** The better one first. */
const TYPES = ['long-animation-frame', 'longtask'];

/** The phases of a frame that are events of its span, which are called as the browser calls them. */
const PHASES = ['renderStart', 'styleAndLayoutStart'] as const;

/** When the last one began that was told: the browser keeps them, and tells whoever asks first. */
const TOLD = Symbol.for('webspan.longTasks');

export function installLongTasks(host: CaptureHost): Capture {
  const { core, active } = host;
  const known = document as { [TOLD]?: number };
  const type = TYPES.find((each) => globalThis.PerformanceObserver?.supportedEntryTypes?.includes(each));
  if (!type) return { uninstall() {} };
  const tracer = host.tracer('longTasks');

  const tell = (entries: PerformanceEntryList) => entries.forEach((entry) => host.guard(() => record(entry as FrameTiming)));

  function record(entry: FrameTiming): void {
    const { startTime, duration, name, blockingDuration, scripts } = entry;
    if (host.silent() || !core.ready() || startTime <= (known[TOLD] ?? -1)) return;
    known[TOLD] = startTime;
    const span = tracer.capture(type!, active.page ?? active.lastPage, startTime);
    span.setAttributes({
      [names.LONG_TASK_NAME]: name,
      [names.LONG_TASK_ENTRY_TYPE]: type,
      [names.LONG_TASK_DURATION]: duration,
      [names.BLOCKING_DURATION]: blockingDuration,
    });
    for (const phase of PHASES) if (entry[phase]! > 0) span.addEvent(phase, entry[phase]);
    for (const script of scripts ?? []) {
      span.addEvent(
        names.EVENT_SCRIPT,
        {
          [names.URL_FULL]: script.sourceURL ? host.shown(script.sourceURL) : undefined,
          [names.CODE_FUNCTION_NAME]: script.sourceFunctionName || undefined,
          // Of a script that is run as a whole it is the address.
          [names.SCRIPT_INVOKER]: /^\w+:\/\//.test(script.invoker) ? host.shown(script.invoker) : script.invoker,
          [names.SCRIPT_INVOKER_TYPE]: script.invokerType,
          [names.SCRIPT_DURATION]: script.duration,
          [names.SCRIPT_FORCED_LAYOUT_DURATION]: script.forcedStyleAndLayoutDuration || undefined,
        },
        script.startTime,
      );
    }
    span.end(startTime + duration);
  }

  const observer = new PerformanceObserver((list) => tell(list.getEntries()));
  observer.observe({ type, buffered: true });

  return {
    settle: () => tell(observer.takeRecords()),
    uninstall: () => observer.disconnect(),
  };
}
