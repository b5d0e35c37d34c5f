// SPDX-License-Identifier: MIT

/// The page's style sheet. Text colours keep a contrast of 4.5 : 1 or more against their ground in both schemes.
enum HTMLStyle {
    static let sheet = """

        :root{color-scheme:light dark;--paper:#fdfcfa;--card:#f5f3ee;--ink:#1e2126;--soft:#5a616b;--rule:#dfdbd2;--val:#1f5fb0;
        --train:#8b6f47;
        --band:#2e8b62;--forecast:#8a4fb5;--good:#1b7048;--watch:#8f5a00;--bad:#b3261e;--unknown:#5a616b;--tone:var(--unknown)}
        @media(prefers-color-scheme:dark){:root{--paper:#16181b;--card:#1f2226;--ink:#e9e6e0;--soft:#a3a9b3;--rule:#34383e;
        --val:#83b4ff;--train:#cfae82;
        --band:#5fcf9d;--forecast:#cf9df2;--good:#6fd3a0;--watch:#efb650;--bad:#ff8f85;--unknown:#a3a9b3}}
        .healthy{--tone:var(--good)}.watch{--tone:var(--watch)}.unhealthy{--tone:var(--bad)}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
        body{margin:0;background:var(--paper);color:var(--ink);
        font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;
        font-variant-numeric:tabular-nums lining-nums;overflow-wrap:break-word}
        main{max-width:54rem;margin:0 auto;padding:clamp(1.25rem,5vw,4rem) clamp(1rem,4vw,2.5rem) 4rem}
        h1,.steps h3,.reasons .figure{font-family:"Iowan Old Style","Palatino Linotype",Palatino,Charter,Georgia,
        "Liberation Serif",serif}
        h1{font-weight:500;font-size:clamp(1.6rem,1.2rem + 2.2vw,2.5rem);line-height:1.2;letter-spacing:-.01em;margin:.5rem 0 0;
        max-width:24em;text-wrap:balance}
        h2{font-size:.8rem;font-weight:650;letter-spacing:.08em;text-transform:uppercase;color:var(--soft);margin:0 0 1.1rem;
        padding-top:.7rem;border-top:1px solid var(--rule)}
        h3{font-size:1rem;font-weight:600;line-height:1.35;margin:0}
        h3 small,th small{font-weight:400;color:var(--soft)}
        p{margin:.35rem 0}section{margin-top:3rem}
        a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:.15em}
        code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.88em}
        :not(pre)>code{background:var(--card);border-radius:.25em;padding:.1em .3em}
        pre{background:var(--card);border-left:3px solid var(--rule);border-radius:0 .3rem .3rem 0;margin:.6rem 0 0;
        padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}
        code span{white-space:nowrap}
        .identity{color:var(--soft);font-size:.9rem;margin:0;overflow-wrap:anywhere}.identity b{color:var(--ink);font-weight:600}
        .identity span::before{content:"· "}
        .verdict{margin:2rem 0 0}.verdict span{display:inline-block;color:var(--tone);font-size:.85rem;font-weight:700;
        letter-spacing:.1em;text-transform:uppercase;border:1.5px solid;border-radius:2em;padding:.15em .9em}
        .note{color:var(--soft);font-size:.9rem}
        .reasons{margin:1.8rem 0 0;max-width:44rem}.reasons div{display:grid;grid-template-columns:5.5rem 1fr;gap:0 1.1rem;
        align-items:baseline;padding:.55rem 0}
        .reasons dt{text-align:right;color:var(--tone);font-weight:650}.reasons .figure{font-size:1.7rem;font-weight:500;
        line-height:1}.reasons dd{margin:0}
        .steps{list-style:none;margin:0;padding:0;counter-reset:n}.steps li{position:relative;padding:0 0 1.4rem 2.4rem;
        max-width:46rem}
        ol.steps li::before{counter-increment:n;content:counter(n);position:absolute;left:0;top:.05rem;width:1.55rem;
        height:1.55rem;border:1.5px solid var(--tone);border-radius:50%;color:var(--tone);font-size:.8rem;font-weight:650;
        line-height:1.4rem;text-align:center}
        ul.steps li::before{content:"–";position:absolute;left:.5rem;color:var(--soft)}
        .steps h3{font-size:1.15rem;font-weight:500}.discouraged,.discouraged h3{color:var(--soft)}.aside{color:var(--soft);
        margin:.4rem 0 .7rem}
        .price{font-size:.92rem;color:var(--soft)}.price b{color:var(--ink);font-weight:600}
        .price span+span::before{content:" · "}
        figure{margin:0 0 1.6rem}figcaption{color:var(--soft);font-size:.86rem;margin-top:.4rem}
        .small{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1.2rem 2.2rem}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.2rem;margin:.3rem 0 .2rem;padding:0;font-size:.86rem;
        color:var(--soft)}
        .key{display:inline-block;width:1.3rem;height:0;border-top:2.5px solid;vertical-align:.28em;margin-right:.45rem}
        .key.area{height:.75rem;border:0;vertical-align:-.1em;opacity:.45}
        .key.area.expected{background:var(--band)}.key.forecast{border-top-style:dashed}
        .plot{position:relative;margin:.9rem .3rem 1.9rem 3rem}.plot svg{position:absolute;inset:0;width:100%;height:100%;
        overflow:hidden}
        .plot path{fill:none;vector-effect:non-scaling-stroke}.plot .grid{stroke:var(--rule);stroke-width:1px}
        .line{stroke-width:2px;stroke-linejoin:round;stroke-linecap:round}.dot{stroke-width:6.5px;stroke-linecap:round}
        .fine{stroke-width:1.1px}
        .val{stroke:var(--val);border-color:var(--val)}.train{stroke:var(--train);border-color:var(--train)}
        .train.line:not(.key){stroke-dasharray:none}
        .forecast{stroke:var(--forecast);border-color:var(--forecast)}.line.forecast{stroke-dasharray:6 4}
        .plain{stroke:var(--val)}
        .plot path.area{stroke:none}.plot .area.expected{fill:var(--band);opacity:.3}.plot .area.forecast{fill:var(--forecast);
        opacity:.2}
        .ticks span{position:absolute;color:var(--soft);font-size:.76rem;line-height:1;white-space:nowrap}
        .ticks .y{right:100%;margin-right:.5rem;transform:translateY(-50%)}.ticks .x{top:100%;margin-top:.5rem;
        transform:translateX(-50%)}.ticks .x.end{transform:translateX(-100%)}.ticks .x.start{transform:none}
        details{font-size:.9rem;margin-top:.5rem}summary{color:var(--soft);cursor:pointer}summary:hover{color:var(--ink)}
        table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:left;vertical-align:top;
        padding:.5rem .7rem .5rem 0;border-bottom:1px solid var(--rule)}
        thead th{font-size:.78rem;font-weight:600;color:var(--soft)}th[scope=row]{font-weight:600}th small{display:block;
        font-size:.82rem;line-height:1.4}
        .numbers{width:auto;min-width:60%}.numbers th,.numbers td{text-align:right;padding:.25rem 1.4rem .25rem 0;font-weight:400}
        .scroll{overflow-x:auto}
        .checks .status span{font-size:.8rem;font-weight:650;white-space:nowrap;color:var(--unknown)}
        .pass .status span{color:var(--good)}.warn .status span{color:var(--watch)}.fail .status span{color:var(--bad)}
        .status span::before{content:"";display:inline-block;width:.55em;height:.55em;border-radius:50%;border:1.5px solid;
        margin-right:.45em}
        .pass .status span::before,.warn .status span::before,.fail .status span::before{background:currentColor}
        .checks th[scope=row]{min-width:8.5rem}.finding{width:50%}.value,.forecast td{white-space:nowrap}
        .finding p{margin:0 0 .3rem}.finding .advice{color:var(--ink);font-weight:550}
        .finding details,.checks small{font-size:.8rem;color:var(--soft)}.finding details{margin:0}cite{font-style:normal}
        .best{background:var(--card)}.best th{padding-left:.6rem}.best em{font-style:normal;font-size:.78rem;font-weight:650;
        color:var(--good);white-space:nowrap}
        .facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:0 2.2rem;margin:0;font-size:.92rem}
        .facts div{display:flex;justify-content:space-between;gap:1rem;border-bottom:1px solid var(--rule);padding:.32rem 0}
        .facts dt{color:var(--soft)}.facts dd{margin:0;text-align:right;overflow-wrap:anywhere}.facts small{color:var(--soft)}
        .facts code{background:none;padding:0}.sources{margin:0;padding-left:1.1rem;font-size:.88rem;color:var(--soft)}
        :focus-visible{outline:2px solid var(--val);outline-offset:2px}
        @media(max-width:44rem){.reasons div{grid-template-columns:1fr;gap:.1rem}.reasons dt{text-align:left}
        .plot{margin-left:2.5rem}
        .checks thead,.forecast thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
        .checks tr,.forecast tr{display:grid;grid-template-columns:auto auto 1fr;gap:.1rem 1.1rem;padding:.75rem 0;
        border-bottom:1px solid var(--rule)}
        .checks td,.checks th,.forecast td,.forecast th{border:0;padding:0}
        .checks .status,.checks th[scope=row],.finding,.forecast th{grid-column:1/-1}
        .checks .value:empty{display:none}.finding{width:auto}[data-label]{font-size:.88rem}
        [data-label]::before{content:attr(data-label) " ";
        color:var(--soft)}
        .best{padding:.75rem .6rem!important}.best th{padding:0!important}.forecast tr{grid-template-columns:auto auto}}
        @media print{:root{--paper:#fff;--card:#f3f3f1;--ink:#000;--soft:#444;--rule:#bbb;--val:#1f5fb0;--train:#8b6f47;
        --band:#2e8b62;--forecast:#8a4fb5;--good:#1b7048;--watch:#8f5a00;--bad:#b3261e;--unknown:#444;color-scheme:light}
        body{font-size:9.5pt;line-height:1.4}html{font-size:9.5pt}main{max-width:none;padding:0}section{margin-top:1.4rem}
        h2,h3{break-after:avoid}figure,tr,.steps li,.reasons div{break-inside:avoid}
        .plot path,.key,.best{-webkit-print-color-adjust:exact;print-color-adjust:exact}
        .finding details,.checks small{display:none}th,td{padding:.3rem .6rem .3rem 0}.steps li{padding-bottom:.8rem}
        .verdict{margin-top:1rem}.plot{margin-bottom:1.7rem}a{text-decoration:none}@page{margin:18mm 16mm}}

        """
}
