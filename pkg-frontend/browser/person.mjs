/** What a person does who has no mouse. */

/** The accessible name of the element that has the focus, as far as labels and aria-label go. */
function focusedName() {
  const element = document.activeElement;
  if (element === null || element === document.body) {
    return undefined;
  }
  const labels = [...(element.labels ?? [])].map((label) => label.textContent.trim()).filter(Boolean);
  return element.getAttribute('aria-label') ?? labels[0] ?? element.textContent.trim();
}

/** Presses Tab until the field or button called `name` has the focus. */
export async function tabTo(page, name, presses = 120) {
  for (let i = 0; i < presses; i += 1) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(focusedName)) === name) {
      return;
    }
  }
  throw new Error(`"${name}" cannot be reached with Tab`);
}

/** Tabs to a field and replaces what is in it. */
export async function fill(page, name, text) {
  await tabTo(page, name);
  await page.keyboard.press('Control+A');
  await page.keyboard.type(text);
}

/** Tabs to a select and chooses the option with this label. */
export async function choose(page, name, label) {
  await tabTo(page, name);
  await page.keyboard.type(label);
  await page.keyboard.press('Enter');
}

/** Tabs to a radio group, whose checked option has the focus first, and goes on to the next one. */
export async function nextRadio(page, checked) {
  await tabTo(page, checked);
  await page.keyboard.press('ArrowRight');
}

/** Tabs through the page once, and gives the names of all that takes the focus and can be operated. */
export async function tabStops(page, presses = 200) {
  const names = [];
  for (let i = 0; i < presses; i += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) {
        return undefined;
      }
      return {
        tag: element.tagName.toLowerCase(),
        info: element.closest('label') !== null && element.tagName !== 'INPUT',
      };
    });
    if (stop === undefined) {
      return names;
    }
    if (!stop.info) {
      names.push({ tag: stop.tag, name: await page.evaluate(focusedName) });
    }
  }
  throw new Error('Tab does not come to an end');
}
