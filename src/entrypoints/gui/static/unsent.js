// Keeps the words that somebody types on Create, in this tab alone, and gives them back once the page is loaded anew.
const PLACE = "imaging.words";
const FIELDS = { prompt: ".st-key-prompt textarea", negative_prompt: ".st-key-negative_prompt textarea" };

const fields = () => Object.entries(FIELDS).map(([name, where]) => [name, document.querySelector(where)]);
let listens = false;

function keep() {
  const found = fields().filter(([, field]) => field);
  if (!found.length) return;
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(Object.fromEntries(found.map(([name, field]) => [name, field.value]))));
  } catch {
    // A browser that keeps nothing for this page, or has no room: then they are lost with it.
  }
}

export default function unsent({ data, setStateValue }) {
  if (!listens) {
    listens = true;
    document.addEventListener("input", (event) => fields().some(([, field]) => field === event.target) && keep(), true);
    // Also what came onto the form otherwise than by typing.
    window.addEventListener("pagehide", keep);
  }
  // What stands there already is newer.
  if (!data.asks || fields().some(([, field]) => field?.value)) return;
  try {
    const kept = sessionStorage.getItem(PLACE);
    if (kept) setStateValue("words", kept);
  } catch {
    // The same.
  }
}
