//! One change tried: the scenario with overrides, read anew, and the most generous plan that it then allows, confirmed as plans
//! are. Knows overrides; must not know what they mean.

use super::axes::Later;
use crate::plan::cell::CellError;
use crate::plan::confirm::{Confirmation, Rules, Verdict, confirm, confirm_in};
use crate::plan::{Asked, Evaluator, Market, Question, scenes};
use crate::world::PolicyParams;
use std::collections::BTreeMap;

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    /// What the confirmation says: of one case alone, where that was enough to reject.
    pub said: Confirmation,
}

impl Tried {
    pub fn holds(&self) -> bool {
        self.said.verdict == Verdict::Holds
    }
}

/// Tries changes and remembers what came of them.
pub(super) struct Trials<'t, 'e> {
    pub question: &'t Question<'t>,
    pub evaluator: &'t mut Evaluator<'e>,
    pub rules: &'t Rules,
    /// How far limits are tried.
    pub later: Later,
    policy: &'t PolicyParams,
    known: BTreeMap<Vec<String>, Option<Tried>>,
    /// The case that rejected last: it is looked at first.
    rejects: Option<String>,
}

impl<'t, 'e> Trials<'t, 'e> {
    pub fn new(
        question: &'t Question<'t>,
        evaluator: &'t mut Evaluator<'e>,
        policy: &'t PolicyParams,
        rules: &'t Rules,
        later: Later,
    ) -> Trials<'t, 'e> {
        Trials { question, evaluator, rules, later, policy, known: BTreeMap::new(), rejects: None }
    }

    /// The market as it is.
    pub fn market(&self) -> &'e Market {
        self.evaluator.market
    }
    /// What is asked, as it is.
    pub fn asked(&self) -> &'t Asked {
        self.question.asked
    }

    /// What the confirmation of the most generous plan says under these overrides; `None` where they make no scenario.
    pub fn confirm(&mut self, set: &[String]) -> Result<Option<Tried>, CellError> {
        self.tried(set, true)
    }
    /// The same, of every case: where one rejects, the others are looked at all the same.
    pub fn confirm_all(&mut self, set: &[String]) -> Result<Option<Tried>, CellError> {
        self.tried(set, false)
    }

    fn tried(&mut self, set: &[String], soon: bool) -> Result<Option<Tried>, CellError> {
        if let Some(known) =
            self.known.get(set).filter(|known| soon || known.as_ref().is_none_or(Tried::holds))
        {
            return Ok(known.clone());
        }
        let tried = match self.question.written.again(set) {
            Some(asked) => Some(self.play(&asked, soon)?),
            None => None,
        };
        self.known.insert(set.to_vec(), tried.clone());
        Ok(tried)
    }

    fn play(&mut self, asked: &Asked, soon: bool) -> Result<Tried, CellError> {
        let Asked { base, by_set, planning } = asked;
        let market = Market::of(&base.plan, planning, &base.typed);
        let policy = base.plan.policies.iter().find(|policy| policy.name == self.policy.name);
        let scenes = scenes(planning, &market, policy.unwrap_or(self.policy), base, by_set);
        let top = market.top();
        let question = self.question;
        let mut own = Evaluator::new(&scenes, &market, planning.by_origin, question.store, question.tick);
        own.share(self.evaluator);
        let said = (|| {
            let first = scenes.iter().position(|scene| Some(&scene.name) == self.rejects.as_ref());
            if let Some(first) = first.filter(|_| soon) {
                let said = confirm_in(&mut own, &scenes[first..=first], &top, self.rules)?;
                if said.verdict != Verdict::Holds {
                    return Ok(said);
                }
            }
            confirm(&mut own, &top, self.rules)
        })();
        own.share(self.evaluator);
        let said = said?;
        if said.verdict != Verdict::Holds {
            self.rejects = said.tightest().map(|line| line.scene.clone());
        }
        Ok(Tried { said })
    }
}
