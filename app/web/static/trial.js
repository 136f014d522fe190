// The trial on the first page: the stored game divided again whenever the pool changes or a provider is left out, by
// the rules of app/web/trial.py. Without this script the page shows the whole game at its first pool.
"use strict";

const trial = document.getElementById("trial");
const { providers, worths } = JSON.parse(document.getElementById("game").textContent);
const words = JSON.parse(trial.dataset.words);
const written = (value, digits) => value.toLocaleString(document.documentElement.dataset.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });

function combine(n, k) {
  let ways = 1;
  for (let step = 1; step <= k; step += 1) ways = (ways * (n - k + step)) / step;
  return ways;
}

function shapley(among) {
  const count = among.length;
  return among.map((player) => {
    const others = among.filter((each) => each !== player);
    let value = 0;
    for (let chosen = 0; chosen < 1 << others.length; chosen += 1) {
      let without = 0;
      let size = 0;
      others.forEach((each, at) => {
        if (chosen & (1 << at)) { without |= 1 << each; size += 1; }
      });
      value += (worths[without | (1 << player)] - worths[without]) / (count * combine(count - 1, size));
    }
    return value;
  });
}

function divide(among, pool) {
  const positive = shapley(among).map((value) => Math.max(value, 0));
  const total = positive.reduce((sum, value) => sum + value, 0);
  const shares = positive.map((value) => (total ? value / total : 0));
  const cents = shares.map((share) => Math.floor(share * pool));
  let left = (total ? pool : 0) - cents.reduce((sum, each) => sum + each, 0);
  const order = shares.map((_, at) => at).sort((a, b) => cents[a] - shares[a] * pool - (cents[b] - shares[b] * pool) || a - b);
  for (const at of order) if (left-- > 0) cents[at] += 1;
  return { shares, cents };
}

function show() {
  const pool = Number(trial.elements.pool.value);
  const among = providers.map((_, at) => at).filter((at) => trial.elements[`with${at}`].checked);
  const { shares, cents } = divide(among, 100 * pool);
  const rows = trial.querySelectorAll(".bars tr");
  const most = Math.max(...shares, 1e-9);
  providers.forEach((provider, player) => {
    const at = among.indexOf(player);
    const share = at < 0 ? 0 : shares[at];
    rows[player].classList.toggle("gone", at < 0);
    rows[player].querySelector("rect").setAttribute("width", `${(99 * share) / most}%`);
    rows[player].querySelector(".num").textContent = at < 0 ? words.out : `${written(cents[at] / 100, 2)} EUR`;
    rows[player].title = `${provider.name}: ${at < 0 ? words.out : `${written(100 * share, 1)} %`}`;
  });
  const mask = among.reduce((sum, at) => sum | (1 << at), 0);
  trial.elements.poolshown.value = `${pool} EUR`;
  trial.elements.score.value = (among.length ? words.score : words.nobody)
    .replace("{a}", among.length).replace("{b}", written(100 * worths[mask], 1));
}

trial.addEventListener("input", show);
show();
