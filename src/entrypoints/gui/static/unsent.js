// Keeps the words that somebody types on Create, in this tab alone, and gives them back once the page is loaded anew: to
// whoever asks with the same key, since the next person may sit at the same tab.
const PLACE = "imaging.words";
const FIELDS = { prompt: ".st-key-prompt textarea", negative_prompt: ".st-key-negative_prompt textarea" };

const fields = () => Object.entries(FIELDS).map(([name, where]) => [name, document.querySelector(where)]);
let listens = false;
let whose = null;

function keep() {
  const found = fields().filter(([, field]) => field);
  if (!found.length) return;
  try {
    const words = Object.fromEntries(found.map(([name, field]) => [name, field.value]));
    sessionStorage.setItem(PLACE, JSON.stringify({ whose, words }));
  } catch {
    // A browser that keeps nothing for this page, or has no room: then they are lost with it.
  }
}

export default function unsent({ data, setStateValue }) {
  whose = data.whose;
  if (!listens) {
    listens = true;
    document.addEventListener("input", (event) => fields().some(([, field]) => field === event.target) && keep(), true);
    // Also what came onto the form otherwise than by typing.
    window.addEventListener("pagehide", keep);
  }
  // What stands there already is newer.
  if (!data.asks || fields().some(([, field]) => field?.value)) return;
  try {
    const kept = JSON.parse(sessionStorage.getItem(PLACE));
    if (kept?.words && kept.whose === whose) setStateValue("words", JSON.stringify(kept.words));
  } catch {
    // The same, or what is kept is none of ours.
  }
}
