// OpenTelemetry JS, set up as its documentation does it; which exporter, the files beside this one say.

import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load';
import { FetchInstrumentation } from '@opentelemetry/instrumentation-fetch';
import { XMLHttpRequestInstrumentation } from '@opentelemetry/instrumentation-xml-http-request';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOffSampler, BatchSpanProcessor, ParentBasedSampler, AlwaysOnSampler, WebTracerProvider } from '@opentelemetry/sdk-trace-web';

/** A page's SDK, as the benchmarks want it (see webspan.mjs), that exports with `Exporter`. */
export function exportingWith(Exporter) {
  const sdk = {
    start({ collector, captures = false, sampled = true, waits = false }) {
      const exporter = new Exporter({ url: `${collector}/v1/traces` });
      const processor = new BatchSpanProcessor(exporter, waits ? { scheduledDelayMillis: 600_000, maxExportBatchSize: 2048 } : {});
      const provider = provide(processor, sampled);
      if (captures) {
        registerInstrumentations({
          instrumentations: [new FetchInstrumentation(), new XMLHttpRequestInstrumentation(), new DocumentLoadInstrumentation()],
        });
      }
      sdk.tracer = provider.getTracer('bench');
      sdk.send = () => provider.forceFlush();
    },
  };
  return sdk;
}

export function provide(processor, sampled = true) {
  const provider = new WebTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'bench' }),
    sampler: new ParentBasedSampler({ root: sampled ? new AlwaysOnSampler() : new AlwaysOffSampler() }),
    spanProcessors: [processor],
  });
  provider.register();
  return provider;
}
