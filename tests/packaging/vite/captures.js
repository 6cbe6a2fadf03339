import { init } from 'webspan';
import { eventSource, longTasks, userInteraction, webSocket, webVitals } from 'webspan/captures';

const endpoint = new URLSearchParams(location.search).get('endpoint');
const webspan = init({
  serviceName: 'captures',
  endpoint,
  batch: { scheduledDelayMillis: 50 },
  instrumentations: { documentLoad: false },
  captures: [userInteraction(), longTasks(), webVitals(), eventSource(), webSocket()],
});

const first = fetch('/api?first').then((response) => response.text());

document.body.innerHTML = '<button>Ask</button>';
document.querySelector('button').addEventListener('click', () => fetch('/api?click').then((response) => response.text()));

Object.assign(window, { webspan, first });
