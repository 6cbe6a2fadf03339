import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { addToCart, browserArguments, openProduct, openShop, pay } from './customer.mjs';

const visitorsAtATime = 2;
const products = ['Brass compass', 'Camp kettle', 'Climbing rope', 'Star map', 'Storm lantern', 'Two-person tent'];
const soldOut = 'Two-person tent';

/** Lets real browsers visit the shop: some only look, some buy, and for some the payment is slow or fails. */
export async function visitShop({ pageUrl }, { executablePath, visits }) {
  const browser = await chromium.launch({ executablePath, args: browserArguments });
  try {
    let begun = 0;
    let done = 0;
    const visitor = async () => {
      while (begun < visits) {
        begun++;
        await visit(browser, pageUrl);
        console.log(`  visit ${++done} of ${visits}`);
      }
    };
    await Promise.all(Array.from({ length: visitorsAtATime }, visitor));
  } finally {
    await browser.close();
  }
}

async function visit(browser, pageUrl) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await openShop(page, pageUrl);
  for (let looks = oneOf([1, 2, 3]); looks > 0; looks--) {
    await sleep(oneOf([100, 300, 800]));
    await openProduct(page, oneOf(products));
  }
  if (Math.random() < 0.7) {
    await openProduct(page, oneOf(products.filter((name) => name !== soldOut)));
    await addToCart(page, oneOf([1, 1, 2]));
    await sleep(oneOf([100, 300, 800]));
    await pay(page, { delayMs: oneOf([0, 0, 0, 500, 1500]), fail: Math.random() < 0.25 });
  }
  await page.goto('about:blank'); // leaves the page as a visitor does; closing it at once would not let it say goodbye
  await context.close();
}

function oneOf(choices) {
  return choices[Math.floor(Math.random() * choices.length)];
}
